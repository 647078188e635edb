"""Every signed message that is kept gives the code in its name, and all that is done to one on its way is kept."""

from __future__ import annotations

from adapters.testkit.wss_attacks import HOSTILE
from broker.texts import TEXTS
from tests.corpus import messages
from tests.corpus.messages import ACCEPTED, FOLDER

KEPT = {file.name: file.read_bytes() for file in sorted(FOLDER.glob("*.xml"))}


def code_in(name: str) -> str:
    return name.partition("--")[0]


def test_each_kept_message_gives_the_code_in_its_name() -> None:
    wrong = {name: messages.code_of(message) for name, message in KEPT.items()}
    assert {name: code for name, code in wrong.items() if code != code_in(name)} == {}


def test_every_attack_is_kept_under_its_code_and_one_message_is_good() -> None:
    assert set(KEPT) == set(messages.made())
    assert len({name.lower() for name in KEPT}) == len(HOSTILE) + 1
    assert [name for name in KEPT if code_in(name) == ACCEPTED] == ["accepted--as-a-client-signs-it.xml"]
    assert {code_in(name) for name in KEPT} - {ACCEPTED} <= set(TEXTS)


def test_no_two_are_the_same_and_in_the_good_one_nothing_can_be_changed() -> None:
    assert len(set(KEPT.values())) == len(KEPT)
    good = KEPT["accepted--as-a-client-signs-it.xml"]
    assert messages.code_of(good.replace(b"2026-01-01T12:00:00Z", b"2026-01-01T12:00:01Z")) == "wss.digest-mismatch"
