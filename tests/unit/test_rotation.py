"""Which seal is in use, when another follows, and what is kept of each before it seals."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from adapters.seals.pkcs12 import FileSeal
from adapters.stores.memory import MemoryStore
from adapters.testkit.pki import JAN
from adapters.wire.kind import SealLost
from broker.errors import ConfigError, Unavailable
from config import clock
from config.around import surroundings
from config.bundle import Bundle, bundle
from config.ids import TimeOrderedIds
from config.rotation import Configured, Rotation
from config.settings import load
from tests.receipts import ISSUED, PKI

FIRST, SECOND = PKI.seal, PKI.next_seal


class Hands:
    """A clock that a test sets, and that goes on a little whenever it is asked."""

    def __init__(self):
        self.now = ISSUED

    def __call__(self):
        self.now += timedelta(milliseconds=1)
        return self.now


class Source:
    """A seal that a test exchanges; `file` is what is watched."""

    def __init__(self, folder):
        self.file = folder / "seal"
        self.file.write_bytes(b"")
        self.makes = FIRST
        self.made = 0

    def files(self):
        return [self.file]

    def make(self):
        self.made += 1
        if isinstance(self.makes, Exception):
            raise self.makes
        if hasattr(self.makes, "seal"):
            return self.makes
        return FileSeal(self.makes.key, (self.makes.certificate, *self.makes.chain), lambda: ISSUED)

    def before(self):
        return None

    def exposed(self):
        return []

    def insist_on_secrecy(self):
        """It is in memory."""

    def change(self, makes):
        self.makes = makes
        self.file.write_bytes(self.file.read_bytes() + b"x")


class Store(MemoryStore):
    """A store that can be out of reach for certificates."""

    def __init__(self):
        super().__init__(lambda: ISSUED)
        self.away = False

    def keep_seal(self, sha256, pem, at):
        if self.away:
            raise Unavailable("the store is away")
        super().keep_seal(sha256, pem, at)


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


@pytest.fixture
def store():
    return Store()


def sealed_by(rotation):
    text = rotation.seal(b"<a/>").decode()
    inside = text.partition("<ds:X509Certificate>")[2].partition("<")[0]
    pem = f"-----BEGIN CERTIFICATE-----\n{inside.strip()}\n-----END CERTIFICATE-----\n"
    return x509.load_pem_x509_certificate(pem.encode())


def begun(source, store, kept=lambda: None, now=None):
    rotation = Rotation(source, now or Hands())
    rotation.begin(store, kept)
    return rotation


def kept(store):
    return [x509.load_pem_x509_certificates(pem)[0] for pem in store.seals()]


def test_nothing_is_sealed_before_the_certificate_is_kept(source, store):
    rotation = Rotation(source, Hands())
    with pytest.raises(Unavailable):
        rotation.seal(b"<a/>")
    store.away = True
    with pytest.raises(Unavailable):
        rotation.begin(store, lambda: None)
    with pytest.raises(Unavailable):
        rotation.seal(b"<a/>")
    store.away = False
    rotation.begin(store, lambda: None)
    assert sealed_by(rotation) == FIRST.certificate
    assert kept(store) == [FIRST.certificate]


def test_another_follows_when_a_file_changed_and_not_before(source, store):
    rotation = begun(source, store)
    source.makes = SECOND
    rotation.refresh()
    assert (sealed_by(rotation), source.made) == (FIRST.certificate, 1)
    source.change(SECOND)
    rotation.refresh()
    rotation.refresh()
    assert (sealed_by(rotation), source.made) == (SECOND.certificate, 2)
    assert kept(store) == [FIRST.certificate, SECOND.certificate]


def test_one_that_cannot_follow_leaves_the_old_one_and_is_tried_again_when_its_file_changes(source, store):
    rotation = begun(source, store)
    source.change(ConfigError(["no key"]))
    rotation.refresh()
    rotation.refresh()
    assert (sealed_by(rotation), source.made) == (FIRST.certificate, 2)
    source.change(SECOND)
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_a_follower_whose_certificate_cannot_be_kept_waits_and_is_not_made_twice(source, store):
    rotation = begun(source, store)
    store.away = True
    source.change(SECOND)
    rotation.refresh()
    rotation.refresh()
    assert (sealed_by(rotation), source.made) == (FIRST.certificate, 2)
    store.away = False
    rotation.refresh()
    assert (sealed_by(rotation), source.made) == (SECOND.certificate, 2)


def test_a_follower_out_of_reach_is_tried_again_without_a_change(source, store):
    rotation = begun(source, store)
    source.change(Unavailable("away"))
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate
    source.makes = SECOND
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_a_first_seal_out_of_reach_stops_no_start_and_one_that_is_wrong_does(source, store):
    source.makes = Unavailable("away")
    rotation = begun(source, store)
    with pytest.raises(Unavailable):
        rotation.seal(b"<a/>")
    assert kept(store) == []
    source.makes = FIRST
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate
    source.makes = ConfigError(["no key"])
    with pytest.raises(ConfigError, match="no key"):
        Rotation(source, Hands())


def test_a_first_seal_that_is_lost_stops_no_start_and_comes_back_by_itself(source, store, capsys):
    source.makes = SealLost(["no such file"])
    rotation = begun(source, store)
    assert (rotation.lost, rotation.away, rotation.doubts()) == (("no such file",), "no such file", [])
    with pytest.raises(Unavailable):
        rotation.seal(b"<a/>")
    rotation.refresh()
    rotation.refresh()
    said = capsys.readouterr().out
    assert (said.count("seal.unavailable"), "seal.kept-old" in said) == (1, False)
    source.makes = FIRST
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate


def test_a_follower_that_is_lost_is_told_and_the_old_one_goes_on(source, store, capsys):
    rotation = begun(source, store)
    source.change(SealLost(["no such file"]))
    rotation.refresh()
    assert "seal.kept-old" in capsys.readouterr().out
    assert sealed_by(rotation) == FIRST.certificate


def test_an_end_that_is_near_and_what_the_seal_doubts_are_told_to_who_checks(source):
    hands = Hands()
    assert Rotation(source, hands).doubts() == []
    source.makes = FileSeal(FIRST.key, (FIRST.certificate,), lambda: ISSUED, doubts=["holds two keys"])
    hands.now = FIRST.certificate.not_valid_after_utc - timedelta(days=29)
    until = FIRST.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    ends = f"the certificate ends on {until}: exchange it (docs/how-to/rotate-the-seal.md)"
    assert Rotation(source, hands).doubts() == ["seal: holds two keys", f"seal: {ends}"]


class Crossed:
    """A seal whose signatures do not belong to its certificate."""

    chain = (SECOND.certificate,)

    def seal(self, unsigned):
        return FileSeal(FIRST.key, (FIRST.certificate,), lambda: ISSUED).seal(unsigned)


def test_one_whose_seal_does_not_hold_never_follows(source, store):
    rotation = begun(source, store)
    source.change(Crossed())
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate
    assert kept(store) == [FIRST.certificate]
    with pytest.raises(ConfigError, match="does not hold"):
        Rotation(source, Hands())


def test_the_bundle_knows_a_follower_before_it_seals(source, store):
    published = Bundle()
    published.ledger = store
    assert published() == b""
    rotation = begun(source, store, published.refresh)
    source.change(SECOND)
    rotation.refresh()
    assert x509.load_pem_x509_certificates(published()) == [FIRST.certificate, SECOND.certificate]


def test_the_bundle_says_whose_and_for_when_and_leaves_out_those_above(source, store):
    begun(source, store)
    (one,) = store.seals()
    text = bundle([one]).decode()
    own = FIRST.certificate
    assert f"# {own.subject.rfc4514_string()}" in text
    assert own.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S") in text
    assert own.fingerprint(hashes.SHA256()).hex(":").upper() in text
    middle = PKI.seal_ca.subordinate("Goniec Test Middle Seal CA", ISSUED)
    deep = PKI.personal(middle, JAN)
    assert x509.load_pem_x509_certificates(bundle([deep.pem + middle.credential.pem])) == [deep.certificate]
    assert bundle([]) == b""


def test_an_end_within_thirty_days_is_told_each_time_it_is_looked_for(source, store, capsys):
    hands = Hands()
    rotation = Rotation(source, hands)
    rotation.watch()
    rotation.begin(store, lambda: None)
    rotation.watch()
    assert "seal.ends-soon" not in capsys.readouterr().out
    hands.now = FIRST.certificate.not_valid_after_utc - timedelta(days=29, hours=23)
    rotation.watch()
    rotation.watch()
    assert capsys.readouterr().out.count("seal.ends-soon") == 2


# ── where it comes from ──────────────────────────────────────────────────────────────────────────────────


def configured(folder, text="file = 'seal.pem'", above=""):
    (folder / "goniec.toml").write_text(f"{above}[seal]\nkind = 'pem'\n{text}\n", encoding="utf-8")
    settings = load(folder / "goniec.toml")
    return Configured(settings, surroundings(settings, "seal", TimeOrderedIds(clock.now)))


def later(file: Path):
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def test_the_configuration_and_every_file_that_it_names_are_watched(tmp_path):
    (tmp_path / "seal.pem").write_bytes(FIRST.bundle)
    source = configured(tmp_path)
    assert source.files() == [tmp_path / "goniec.toml", tmp_path / "seal.pem"]
    configured(tmp_path, "file = 'next.pem'\npassword_file = 'secret'")
    with pytest.raises(ConfigError):
        source.make()
    assert set(source.files()) == {tmp_path / "goniec.toml", tmp_path / "next.pem", tmp_path / "secret"}


def test_a_file_that_comes_after_the_table_that_names_it_is_taken_when_it_is_there(tmp_path, store):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    source = configured(tmp_path)
    rotation = Rotation(source, clock.now)
    rotation.begin(store, lambda: None)
    configured(tmp_path, "file = 'next.pem'")
    later(tmp_path / "goniec.toml")
    rotation.refresh()
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate
    (tmp_path / "next.pem").write_bytes(SECOND.bundle)
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_a_process_that_is_born_with_settings_of_long_ago_goes_by_the_table_as_it_is_now(tmp_path, store):
    """As a worker does whose supervisor read the configuration when it was started."""
    (tmp_path / "seal.pem").write_bytes(FIRST.bundle)
    (tmp_path / "next.pem").write_bytes(SECOND.bundle)
    source = configured(tmp_path)
    configured(tmp_path, "file = 'next.pem'")
    assert sealed_by(begun(source, store, now=clock.now)) == SECOND.certificate


@pytest.mark.parametrize("wrong", ["[seal", "[seal]\nkind = 'wax'\n", "[seal]\nkind = 'pem'\nfile = 'crossed.pem'\n"])
def test_while_the_table_is_wrong_such_a_process_goes_by_the_one_of_long_ago_and_says_so(
    tmp_path, store, capsys, wrong
):
    (tmp_path / "seal.pem").write_bytes(FIRST.bundle)
    (tmp_path / "crossed.pem").write_bytes(FIRST.key_pem + SECOND.pem)
    source = configured(tmp_path)
    (tmp_path / "goniec.toml").write_text(wrong)
    rotation = begun(source, store, now=clock.now)
    rotation.refresh()
    rotation.refresh()
    assert sealed_by(rotation) == FIRST.certificate
    assert capsys.readouterr().out.count("seal.kept-old") == 1
    (tmp_path / "next.pem").write_bytes(SECOND.bundle)
    configured(tmp_path, "file = 'next.pem'")
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_a_seal_that_is_gone_by_now_gives_way_to_none_of_long_ago(tmp_path, store):
    """Its key may have been taken out of use because somebody else has it."""
    (tmp_path / "seal.pem").write_bytes(FIRST.bundle)
    source = configured(tmp_path)
    configured(tmp_path, "file = 'next.pem'")
    rotation = begun(source, store, now=clock.now)
    assert "next.pem" in rotation.away
    with pytest.raises(Unavailable):
        rotation.seal(b"<a/>")


def test_what_cannot_be_made_is_not_tried_again_by_another_name(tmp_path, monkeypatch):
    """A token that refuses a PIN counts how often."""
    source, tried = configured(tmp_path), []

    def refuse(*about):
        tried.append(about)
        raise ConfigError(["the token refuses the PIN"])

    monkeypatch.setattr("config.kinds.make", refuse)
    with pytest.raises(ConfigError, match="refuses the PIN"):
        Rotation(source, Hands())
    assert len(tried) == 1


@pytest.mark.parametrize("born", [False, True], ids=["while it runs", "born again"])
def test_in_production_no_seal_follows_that_others_can_read_until_they_cannot(tmp_path, store, capsys, born):
    """The next start would refuse it; and who can read the key can seal."""
    production = "environment = 'production'\n"
    for name, credential, mode in (("seal.pem", FIRST, 0o600), ("next.pem", SECOND, 0o644)):
        (tmp_path / name).write_bytes(credential.bundle)
        (tmp_path / name).chmod(mode)
    source = configured(tmp_path, above=production)
    rotation = None if born else begun(source, store, now=clock.now)
    configured(tmp_path, "file = 'next.pem'", above=production)
    rotation = rotation or begun(source, store, now=clock.now)
    rotation.refresh()
    rotation.refresh()
    said = capsys.readouterr().out
    assert sealed_by(rotation) == FIRST.certificate
    assert "seal.kept-old" in said
    assert "seal.file: " in said
    assert "chmod 600" in said
    rotation.refresh()
    assert capsys.readouterr().out == "", "it is told once"
    (tmp_path / "next.pem").chmod(0o600)
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_elsewhere_one_that_others_can_read_follows_with_a_warning(tmp_path, store, capsys):
    for name, credential in (("seal.pem", FIRST), ("next.pem", SECOND)):
        (tmp_path / name).write_bytes(credential.bundle)
        (tmp_path / name).chmod(0o644)
    rotation = begun(configured(tmp_path), store, now=clock.now)
    assert "serve.secret-exposed" not in capsys.readouterr().out, "whoever starts the broker says so"
    configured(tmp_path, "file = 'next.pem'")
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate
    assert "serve.secret-exposed" in capsys.readouterr().out


def test_a_table_of_no_known_kind_changes_nothing_until_it_is_mended(tmp_path, store):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    rotation = Rotation(configured(tmp_path), clock.now)
    rotation.begin(store, lambda: None)
    for text in ("[seal]\nkind = 'wax'\n", "[seal", "[seal]\nkind = 'pem'\nfile = 'seal.pem'\nwax = 1\n"):
        (tmp_path / "goniec.toml").write_text(text)
        rotation.refresh()
        assert sealed_by(rotation) == FIRST.certificate
    (tmp_path / "seal.pem").write_bytes(SECOND.bundle)
    configured(tmp_path)
    later(tmp_path / "goniec.toml")
    rotation.refresh()
    assert sealed_by(rotation) == SECOND.certificate


def test_a_seal_out_of_reach_is_told_once_and_not_before_anybody_runs(source, store, capsys):
    source.makes = Unavailable("unplugged")
    rotation = Rotation(source, Hands())
    assert rotation.away == "unplugged"
    assert capsys.readouterr().out == "", "goniec check speaks for itself"
    rotation.begin(store, lambda: None)
    rotation.refresh()
    rotation.refresh()
    assert capsys.readouterr().out.count("seal.unavailable") == 1
    source.makes = FIRST
    rotation.refresh()
    assert rotation.away == ""
