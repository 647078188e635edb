"""Where trusted lists lie, and how they are kept up to date: nothing that lies there is believed unjudged."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.testkit.pki import Pki
from adapters.testkit.trusted_lists import Entry, Lists
from adapters.trust.lists import Shelf
from adapters.trust.lists_refresh import ListRefresher
from broker.errors import ConfigError, Unavailable

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LISTS, PKI = Lists(at=NOW), Pki(at=NOW)
ENTRY = Entry(certificates=(PKI.qualified_ca.credential.certificate,))
NEW_SIGNER = LISTS.signer("Goniec Test New Operator")
LOTL_AT, PL_AT = "https://lists.example/lotl.xml", "https://lists.example/PL.xml"


def polish(**about):
    return LISTS.national([ENTRY], **about)


class World:
    """A network of lists, a clock, and a broker's shelf with its refresher."""

    def __init__(self, folder, **about):
        self.folder, self.about, self.now = folder, about, NOW
        self.asked = []
        self.there = {LOTL_AT: LISTS.lotl(), PL_AT: polish(sequence=5)}
        (folder / "lotl.pem").write_bytes(LISTS.lotl_signer.pem)
        self.restart()

    def restart(self):
        self.shelf = Shelf(
            signers=[self.folder / "lotl.pem"],
            territories=["PL"],
            folder=self.folder / "cache",
            **{"tolerance": 3 * DAY, **self.about},
        )
        self.refresher = ListRefresher(
            self.shelf,
            get=self.get,
            clock=lambda: self.now,
            lotl="" if self.about.get("files") else LOTL_AT,
            every=timedelta(hours=6),
            warn=7 * DAY,
        )

    def get(self, url):
        self.asked.append(url)
        if url not in self.there:
            raise Unavailable("no answer")
        return self.there[url]

    def run(self):
        """Let the refresher do what is due; return the events of the log."""
        with capture_logs() as events:
            self.refresher()
        return [(it["event"], it.get("territory"), it["log_level"]) for it in events]

    @property
    def numbers(self):
        return {it.territory: it.found.sequence if it.found else it.reason for it in self.shelf.look(self.now)}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_before_anything_was_fetched_there_are_no_lists(world):
    assert world.numbers == {"EU": "missing", "PL": "no-lotl"}


def test_what_was_fetched_is_believed_and_outlives_a_restart_without_a_network(world):
    assert world.run() == [("trust.list-refreshed", "EU", "info"), ("trust.list-refreshed", "PL", "info")]
    world.there.clear()
    world.restart()
    assert world.numbers == {"EU": 1, "PL": 5}


def test_it_is_fetched_at_once_then_every_so_often_and_sooner_after_a_failure(world):
    world.run()
    assert world.asked == [LOTL_AT, PL_AT]
    world.now += timedelta(hours=5, minutes=59)
    world.run()
    assert len(world.asked) == 2
    world.now += timedelta(minutes=1)
    del world.there[PL_AT]
    world.run()
    assert len(world.asked) == 4
    world.now += timedelta(minutes=10)
    world.run()
    assert len(world.asked) == 6


def test_the_same_lists_again_write_nothing_and_say_nothing(world):
    world.run()
    stamp = (world.folder / "cache" / "trusted-lists.zip").stat().st_mtime_ns
    world.now += DAY
    assert world.run() == []
    assert (world.folder / "cache" / "trusted-lists.zip").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"",
        b"<html>try later</html>",
        polish(sequence=4),
        polish(sequence=6, signer=LISTS.lotl_signer),
        polish(sequence=6, territory="DE"),
        polish(sequence=6).replace(b"granted", b"GRANTED"),
        polish(sequence=6, issued=NOW - 200 * DAY, next_update=NOW - 20 * DAY),
        LISTS.lotl(sequence=6),
    ],
    ids=["away", "empty", "a web page", "older", "a wrong signer", "another territory", "changed", "ended", "the LOTL"],
)
def test_a_refresh_that_fails_leaves_the_list_that_is_kept(world, bad):
    world.run()
    world.now += DAY
    if bad is None:
        del world.there[PL_AT]
    else:
        world.there[PL_AT] = bad
    assert world.run() == [("trust.list-not-refreshed", "PL", "warning")]
    assert world.numbers == {"EU": 1, "PL": 5}
    world.there[PL_AT] = polish(sequence=7)
    world.now += timedelta(minutes=10)
    assert ("trust.list-refreshed", "PL", "info") in world.run()
    assert world.numbers == {"EU": 1, "PL": 7}


def test_a_national_list_is_refreshed_while_the_list_of_the_lists_is_away(world):
    world.run()
    world.now += DAY
    world.there = {PL_AT: polish(sequence=6)}
    assert world.run() == [("trust.list-not-refreshed", "EU", "warning"), ("trust.list-refreshed", "PL", "info")]
    assert world.numbers == {"EU": 1, "PL": 6}


def test_an_older_list_of_the_lists_is_not_kept(world):
    world.there[LOTL_AT] = LISTS.lotl(sequence=9)
    world.run()
    world.now += DAY
    world.there[LOTL_AT] = LISTS.lotl(sequence=8)
    world.run()
    world.restart()
    assert world.numbers == {"EU": 9, "PL": 5}


def test_nothing_goes_back_even_over_a_restart(world):
    world.run()
    world.restart()
    world.there[PL_AT] = polish(sequence=4)
    assert world.run() == [("trust.list-not-refreshed", "PL", "warning")]
    assert world.numbers["PL"] == 5


def test_what_is_kept_keeps_older_ones_out_though_it_has_ended(world):
    world.there[PL_AT] = polish(sequence=5, next_update=NOW + DAY)
    world.run()
    world.now += 10 * DAY
    world.restart()
    world.there[PL_AT] = polish(sequence=4, issued=NOW - DAY, next_update=NOW + 100 * DAY)
    assert world.run() == [("trust.list-not-refreshed", "PL", "warning"), ("trust.list-missing", "PL", "error")]
    assert world.numbers == {"EU": 1, "PL": "expired"}


@pytest.mark.parametrize(
    "kept",
    [
        LISTS.lotl(sequence=999_999_999, recipe=None),
        LISTS.lotl(sequence=999_999_999, signer=NEW_SIGNER),
        LISTS.lotl(sequence=9).replace(b">9</", b">999999999</"),
        LISTS.lotl(sequence=999_999_999, issued=NOW + DAY),
        polish(sequence=999_999_999),
        b"no list",
    ],
    ids=["unsigned", "another signer", "changed", "from the future", "another list", "no list"],
)
def test_a_list_in_the_cache_that_nobody_believes_keeps_no_other_out(world, kept):
    world.shelf.keep({"EU": kept})
    assert world.run() == [("trust.list-refreshed", "EU", "info"), ("trust.list-refreshed", "PL", "info")]
    assert world.numbers == {"EU": 1, "PL": 5}


@pytest.mark.parametrize("anew", [True, False], ids=["restarted", "running on"])
def test_lists_for_a_trial_keep_the_real_ones_out_no_longer_than_their_signer_is_pinned(world, anew):
    real, national = world.there, LISTS.signer("Goniec Test Trial Operator")
    (world.folder / "lotl.pem").write_bytes(NEW_SIGNER.pem)
    world.there = {
        LOTL_AT: LISTS.lotl(LISTS.pointer(signers=[national]), signer=NEW_SIGNER, sequence=900),
        PL_AT: polish(sequence=900, signer=national),
    }
    world.run()
    assert world.numbers == {"EU": 900, "PL": 900}
    (world.folder / "lotl.pem").write_bytes(LISTS.lotl_signer.pem)
    world.there = real
    if anew:
        world.restart()
    world.now += DAY
    assert world.run() == [("trust.list-refreshed", "EU", "info"), ("trust.list-refreshed", "PL", "info")]
    assert world.numbers == {"EU": 1, "PL": 5}


def test_the_same_list_in_other_octets_is_no_news(world):
    world.run()
    world.now += DAY
    world.there[PL_AT] += b"\n"
    assert world.run() == []
    world.restart()
    assert world.run() == []


def test_the_list_of_the_lists_says_who_may_sign_and_who_may_not_any_more(world):
    world.run()
    world.now += DAY
    world.there[LOTL_AT] = LISTS.lotl(LISTS.pointer(signers=[NEW_SIGNER]), sequence=2)
    events = world.run()
    assert ("trust.list-not-refreshed", "PL", "warning") in events
    assert ("trust.list-missing", "PL", "error") in events
    assert world.numbers == {"EU": 2, "PL": "signer"}
    world.there[PL_AT] = polish(sequence=6, signer=NEW_SIGNER)
    world.now += timedelta(minutes=10)
    world.run()
    assert world.numbers == {"EU": 2, "PL": 6}


def test_a_pointer_without_certificates_lets_nobody_sign(world):
    world.there[LOTL_AT] = LISTS.lotl(LISTS.pointer(signers=[]))
    world.run()
    assert world.numbers == {"EU": 1, "PL": "not-pointed-at"}
    world.shelf.keep({"EU": world.there[LOTL_AT], "PL": polish()})
    assert world.numbers == {"EU": 1, "PL": "not-pointed-at"}


def test_a_territory_that_the_list_of_the_lists_does_not_know_is_told(world):
    world.there[LOTL_AT] = LISTS.lotl(LISTS.pointer("DE"))
    assert ("trust.list-not-refreshed", "PL", "warning") in world.run()


def test_the_second_place_is_asked_when_the_first_has_nothing(world):
    other = "https://mirror.example/PL.xml"
    world.there = {LOTL_AT: LISTS.lotl(LISTS.pointer() + LISTS.pointer(location=other)), other: polish(sequence=5)}
    world.run()
    assert world.asked == [LOTL_AT, PL_AT, other]
    assert world.numbers == {"EU": 1, "PL": 5}


def test_the_signers_of_the_list_of_the_lists_are_exchanged_in_the_configuration(world):
    world.run()
    world.now += DAY
    world.there[LOTL_AT] = LISTS.lotl(sequence=2, signer=NEW_SIGNER)
    world.run()
    assert world.numbers == {"EU": 1, "PL": 5}
    (world.folder / "lotl.pem").write_bytes(LISTS.lotl_signer.pem + NEW_SIGNER.pem)
    world.now += timedelta(minutes=10)
    world.run()
    assert world.numbers == {"EU": 2, "PL": 5}
    (world.folder / "lotl.pem").write_bytes(LISTS.lotl_signer.pem)
    assert world.numbers == {"EU": "signer", "PL": "no-lotl"}


def test_it_is_told_when_a_next_update_comes_near_is_overdue_and_has_ended(world):
    world.there[PL_AT] = polish(sequence=5, next_update=NOW + 10 * DAY)
    world.run()
    told = {}
    for days in (2, 4, 9, 11, 14):
        world.now = NOW + timedelta(days=days)
        told[days] = [it for it in world.run() if it[0] in {"trust.list-due", "trust.list-missing"}]
    assert told == {
        2: [],
        4: [("trust.list-due", "PL", "warning")],
        9: [("trust.list-due", "PL", "warning")],
        11: [("trust.list-due", "PL", "error")],
        14: [("trust.list-missing", "PL", "error")],
    }


@pytest.mark.parametrize("octets", [b"", b"PK\x03\x04 nothing", b"\x00" * 100])
def test_a_cache_that_is_broken_is_filled_again(world, octets):
    world.run()
    file = world.folder / "cache" / "trusted-lists.zip"
    file.write_bytes(octets)
    assert world.numbers == {"EU": "missing", "PL": "no-lotl"}
    world.now += DAY
    world.run()
    assert world.numbers == {"EU": 1, "PL": 5}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), octet=st.integers(0, 255), cut=st.booleans())
def test_whatever_happened_to_the_cache_it_is_read_without_an_error(world, place, octet, cut):
    world.shelf.keep({"EU": LISTS.lotl(), "PL": polish()})
    file = world.folder / "cache" / "trusted-lists.zip"
    octets = bytearray(file.read_bytes())
    octets[int(place * len(octets))] = octet
    file.write_bytes(octets[: int(place * len(octets))] if cut else octets)
    assert world.numbers.keys() == {"EU", "PL"}


def test_what_was_changed_in_the_cache_is_not_believed(world):
    world.run()
    world.shelf.keep({"EU": world.there[LOTL_AT], "PL": world.there[PL_AT].replace(b"granted", b"GRANTED")})
    assert world.numbers == {"EU": 1, "PL": "signature"}


def test_a_bomb_in_the_cache_is_not_unpacked(world):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("EU.xml", b" " * 20_000_000)
    (world.folder / "cache").mkdir()
    (world.folder / "cache" / "trusted-lists.zip").write_bytes(packed.getvalue())
    assert world.numbers == {"EU": "missing", "PL": "no-lotl"}


def test_a_cache_that_cannot_be_written_is_told_and_nothing_else_fails(world):
    (world.folder / "cache").write_bytes(b"a file where the folder should be")
    assert ("trust.lists-not-kept", None, "error") in world.run()


def test_lists_from_files_are_judged_like_any_other_and_nothing_is_fetched(tmp_path):
    (tmp_path / "a.xml").write_bytes(LISTS.lotl())
    (tmp_path / "b.xml").write_bytes(polish(sequence=5))
    world = World(tmp_path, files=[tmp_path / "b.xml", tmp_path / "a.xml"])
    assert world.numbers == {"EU": 1, "PL": 5}
    assert world.run() == world.asked == []
    (tmp_path / "b.xml").write_bytes(polish(sequence=4))
    assert world.numbers == {"EU": 1, "PL": "older"}
    (tmp_path / "b.xml").write_bytes(polish(sequence=6, signer=NEW_SIGNER))
    assert world.numbers == {"EU": 1, "PL": "signer"}


@pytest.mark.parametrize(
    "second", [b"<x/>", b"", LISTS.lotl(sequence=2), None], ids=["no list", "empty", "twice", "none"]
)
def test_a_file_of_the_operators_that_is_no_list_is_an_error_of_the_configuration(tmp_path, second):
    (tmp_path / "a.xml").write_bytes(LISTS.lotl())
    if second is not None:
        (tmp_path / "b.xml").write_bytes(second)
    world = World(tmp_path, files=[tmp_path / "a.xml", tmp_path / "b.xml"])
    with pytest.raises(ConfigError, match=r"b\.xml: "):
        world.shelf.look(NOW)
    assert world.run() == [("trust.lists-unreadable", None, "error")]


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_signers_that_cannot_be_read_are_an_error_of_the_configuration(world, content):
    if content is None:
        (world.folder / "lotl.pem").unlink()
    else:
        (world.folder / "lotl.pem").write_bytes(content)
    world.shelf.keep({"EU": LISTS.lotl()})
    with pytest.raises(ConfigError, match=r"lotl\.pem: "):
        world.shelf.look(NOW)
