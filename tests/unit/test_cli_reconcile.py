"""`goniec reconcile`: what partners sent is listed, looked up by digest, and held against their own lists."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.stores.values import NOON, a_refusal, kept
from broker.errors import ConfigError
from broker.reconcile import Entry
from config import bootstrap, settings
from config.cli import reconcile
from config.cli.main import goniec
from config.cli.reconcile import entries
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
SINCE = ["--since", "2026-01-01T12:00:00Z"]


@pytest.fixture
def broker(tmp_path):
    """A configuration, and three documents: two of the portal's, of which one is refused, and one of a notary's."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    store = bootstrap.open_store(settings.load(tmp_path / "goniec.toml"))
    letter, other = kept(store, sender="portal", digest="ab" * 32), kept(store, sender="notary", digest="ef" * 32)
    store.refuse(a_refusal(sender="portal", digest="cd" * 32, at=NOON, negative_receipt=b"<NPP/>"))
    batch = store.journal.chain(100)
    store.journal.keep_sealed(batch.number, b"<sealed/>")
    store.close()
    return ["-c", tmp_path / "goniec.toml"], letter, other, batch


def test_everything_since_a_moment_is_listed_with_the_journals_head(broker):
    config, letter, other, batch = broker
    told = answer("reconcile", *config, *SINCE)
    assert [(one["receipt"], one["standing"]) for one in told["sent"]] == [
        (letter.receipt.id, "waiting"),
        (other.receipt.id, "waiting"),
    ]
    assert [(one["sender"], one["code"]) for one in told["refused"]] == [("portal", "parse.doctype")]
    assert "negative_receipt" not in told["refused"][0]
    assert (told["head"]["number"], told["head"]["head"]) == (1, batch.head.hex())
    said = run("reconcile", *config, *SINCE, "--partner", "notary").stdout
    assert other.receipt.id in said
    assert letter.receipt.id not in said
    assert f"journal  1 {batch.head.hex()}" in said
    assert answer("reconcile", *config, "--since", "2026-01-02")["sent"] == []


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_list_that_is_long_is_said_while_it_is_read(broker, monkeypatch, form):
    """Never is it held whole: when half of it is read, what came first has been said."""
    config, *_ = broker
    said = []
    real = reconcile.everything

    def endless(books, sender, since):
        (sent,) = real(books, "notary", since)
        for number in range(3000):
            if number == 2500:
                said.append(sys.stdout.buffer.tell() if hasattr(sys.stdout, "buffer") else 0)
            yield sent

    monkeypatch.setattr(reconcile, "everything", endless)
    done = run("reconcile", *config, *SINCE, *form)
    assert said[0] > 2000 * len(done.stdout_bytes) // 3000 * 9 // 10
    if form:
        assert len(json.loads(done.stdout)["sent"]) == 3000


def test_digests_are_looked_up_and_the_exit_status_says_whether_all_were_accepted(broker, tmp_path):
    config, letter, _, _ = broker
    file = tmp_path / "digests"
    file.write_text(f"{'AB' * 32}  letter.xml\n\n{'ef' * 32}\n")
    assert len(answer("reconcile", *config, "--sha256", file)) == 2
    known, unknown = answer("reconcile", *config, "--sha256", file, "--partner", "portal", status=1)
    assert [one["receipt"] for one in known["sent"]] == [letter.receipt.id]
    assert (unknown["sent"], unknown["refused"]) == ([], None)
    said = CliRunner().invoke(
        goniec, ["reconcile", "-c", str(config[1]), "--sha256", "-"], input=f"{'cd' * 32}\n{'99' * 32}\n"
    )
    assert (said.exit_code, "parse.doctype" in said.stdout, "unknown" in said.stdout) == (1, True, True)


def test_a_partners_list_is_compared_both_ways(broker, tmp_path):
    config, letter, _, _ = broker
    file = tmp_path / "theirs.csv"
    mine = ["reconcile", *config, *SINCE, "--partner", "portal", "--file", file]
    file.write_text(f"sha256;message_id;receipt\n{'AB' * 32};{letter.submission.message_id};{letter.receipt.id}\n")
    assert answer(*mine) == []
    assert run(*mine).stdout == "both lists agree\n"
    file.write_text(f"receipt,sha256\nr-theirs,{'99' * 32}\n")
    assert answer(*mine, status=1) == [
        {"how": "missing", "digest": "99" * 32, "theirs": "r-theirs", "ours": ""},
        {"how": "lost", "digest": "ab" * 32, "theirs": "", "ours": letter.receipt.id},
    ]
    said = run(*mine, status=1).stdout
    assert "to be sent again: 1" in said
    assert "the partner has not: 1" in said


def test_what_goniec_lists_itself_can_be_compared_after_a_change_of_names(broker, tmp_path):
    config, *_ = broker
    sent = answer("reconcile", *config, *SINCE, "--partner", "portal")["sent"]
    file = tmp_path / "theirs.jsonl"
    file.write_text("".join(json.dumps({"sha256": one["digest"], "receipt": one["receipt"]}) + "\n" for one in sent))
    assert answer("reconcile", *config, *SINCE, "--partner", "portal", "--file", file) == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--file", "/dev/null", *SINCE],
        ["--sha256", "/dev/null", *SINCE],
        ["--sha256", "/dev/null", "--file", "/dev/null"],
    ],
)
def test_what_does_not_go_together_is_wrong_use(broker, words):
    assert "Usage" in run("reconcile", *broker[0], *words, status=2).stderr


TEXTS = st.text(st.characters(categories=["L", "N"], include_characters="-._/"), max_size=20)
ENTRIES = st.lists(st.builds(lambda digest, message, receipt: Entry(digest=digest.hex(), message_id=message, receipt=receipt), st.binary(min_size=32, max_size=32), TEXTS, TEXTS))  # fmt: skip


@given(ENTRIES, st.sampled_from([",", ";"]), st.sampled_from(["", "\ufeff"]))
def test_a_list_is_read_the_same_as_csv_and_as_json_lines(listed, separator, mark):
    table = ["sha256", "message_id", "receipt"], *((it.digest, it.message_id, it.receipt) for it in listed)
    text = [mark + separator.join(table[0]), *(separator.join(row) for row in table[1:])]
    objects = [json.dumps({"sha256": it.digest, "message_id": it.message_id, "receipt": it.receipt}) for it in listed]
    assert list(entries(text)) == listed
    assert list(entries([*(mark + line for line in objects[:1]), *objects[1:]])) == listed


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["receipt", "x"], "line 1"),
        (["sha256", "", "xyz"], "line 3"),
        (["sha256", "ab" * 32, "ab" * 31], "line 3"),
        (["sha256", "x" * 200_000], "line 2"),
        (["{" + '"a":[' * 100_000], "line 1"),
        (["{}"], "line 1"),
        (["{", "}"], "line 1"),
        (['{"sha256": "%s", "receipt": 7}' % ("ab" * 32)], "line 1"),
        (['{"sha256": 7}'], "line 1"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(lines, wrong):
    with pytest.raises(ConfigError, match=wrong):
        list(entries(lines))


def test_an_empty_list_says_nothing():
    assert list(entries(["", " "])) == []
