"""What is stuck: seen by cause, sent round again at a pace, given to another office."""

from __future__ import annotations

import time

import pytest

from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from tests.commands import answer, run


@pytest.fixture
def stuck(found):
    """A town with three documents that the first office refused for good."""
    town = found(number=2)
    town.dms.behave(Conduct(manner=Manner.CLIENT_FAULT), town.office.id)
    town.letters = [town.letter(number) for number in range(3)]
    for letter in town.letters:
        assert town.put(letter).answer().document
    town.settle()
    return town


def test_what_is_stuck_is_sent_on_to_another_office_with_its_evidence_untouched(stuck):
    town, config = stuck, ["-c", stuck.site.configuration]
    first, second = town.site.offices
    (group,) = answer("quarantine", *config)["permanent"]
    assert (group["number"], group["offices"]) == (3, {first.id: 3})
    assert group["cause"].startswith("office.fault-")
    assert group["cause"] in run("quarantine", *config).stdout
    assert answer("quarantine", *config, "--office", second.id) == {"transient": [], "permanent": []}

    wanted = ["requeue", *config, "--cause", group["cause"], "--to", second.id, "--reason", "the district is theirs"]
    before = {it: show(config, it) for it in submissions(config)}
    planned = answer(*wanted, "--dry-run")
    assert len(planned["redirected"]) == 3
    assert {it: show(config, it) for it in before} == before
    done = answer(*wanted)
    assert done["redirected"] == planned["redirected"]
    town.settle()
    assert sorted(it.delivery for it in town.dms.received) == sorted(done["redirected"].values())
    assert {it.office for it in town.dms.received} == {second.id}
    assert sorted(it.document for it in town.dms.received) == sorted(town.letters)
    for it, was in before.items():
        now = show(config, it)
        (old,) = was["deliveries"]
        ended = next(one for one in now["deliveries"] if one["id"] == old["id"])
        assert (ended["state"], ended["last_error"]) == ("redirected", old["last_error"])
        assert now["events"][: len(was["events"])] == was["events"]
    assert answer("quarantine", *config) == {"transient": [], "permanent": []}
    run(*wanted, status=1)  # there is nothing left to send


def test_a_requeue_at_a_rate_is_spread_by_due_times(stuck):
    town, config = stuck, ["-c", stuck.site.configuration]
    town.dms.behave(GOOD, town.office.id)
    wanted = ["requeue", *config, "--office", town.office.id, "--reason", "mended"]
    assert len(answer(*wanted, "--rate", "0.01")["requeued"]) == 3
    (first,) = until_delivered(town)
    assert first in town.letters
    waiting = [show(config, it)["deliveries"][0] for it in submissions(config)]
    assert sorted(it["state"] for it in waiting) == ["delivered", "waiting", "waiting"]
    assert len({it["due_at"] for it in waiting}) == 3
    run(*wanted, status=1)


def until_delivered(town):
    deadline = time.monotonic() + 60
    while not town.dms.received:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return [it.document for it in town.dms.received]


def test_what_makes_no_sense_is_told_before_anything_is_done(stuck):
    config = ["-c", stuck.site.configuration]
    office = stuck.office.id
    assert "choose them" in run("requeue", *config, "--reason", "x", status=2).stderr
    assert (
        "no office nobody"
        in run("requeue", *config, "--office", office, "--to", "nobody", "--reason", "x", status=2).stderr
    )
    assert (
        "goes with --to"
        in run("requeue", *config, "--office", office, "--state", "waiting", "--reason", "x", status=2).stderr
    )
    assert answer("quarantine", *config)["permanent"][0]["number"] == 3


def submissions(config):
    return [it["submission"]["id"] for it in answer("list", *config)]


def show(config, submission):
    return answer("show", *config, submission)
