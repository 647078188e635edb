"""The store with keys: nothing personal lies in clear, keys change while brokers run, and no broker starts without."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from adapters.stores import AtRest, ContentKey, SqlStore, migrate
from adapters.stores.sql.at_rest import BEGINNING, key_of
from adapters.stores.sql.engine import open_engine
from adapters.testkit.stores.values import LEASE, TOWN, Hands, a_letter, fingerprint, kept, limits
from broker.errors import ConfigError, Unavailable

PLANTED = b"<letter>PESEL 44051401359</letter>"
REPORT = b'{"name": "Jan Nowak-Testowy"}'
OLD, NEW = (ContentKey.of(SecretStr(f"{n:064x}"), "key") for n in (1, 2))
CLEAR, ONE, BOTH = AtRest(), AtRest([OLD]), AtRest([NEW, OLD])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    made = f"sqlite:///{tmp_path / 'store.sqlite'}"
    if request.param == "postgres":
        made = request.getfixturevalue("postgres_database")
    migrate(made)
    return made


@pytest.fixture
def opened(url):
    stores = []

    def opened(at_rest):
        store = SqlStore(url, clock=Hands(), at_rest=at_rest)
        stores.append(store)
        store.enrol([limits(TOWN)])
        return store

    yield opened
    for store in stores:
        store.close()


def lie_in(store):
    """The keys under which all contents lie, by what is really written."""
    with store._reading.connect() as connection:
        return {
            key_of(bytes(one)[:BEGINNING])
            for query in ("SELECT document, report FROM content", "SELECT report FROM later_reports")
            for row in connection.execute(text(query))
            for one in row
        }


def letter_with(store):
    it = replace(a_letter(PLANTED), report=REPORT, recheck=True)
    store.accept(it)
    return it


def reads(store, letter):
    assert store.document(letter.submission.id) == letter.document
    assert store.show(letter.submission.id).report == letter.report


def test_neither_document_nor_report_lies_in_the_file(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'store.sqlite'}", clock=Hands(), at_rest=ONE)
    letter = letter_with(store)
    store.settle(letter.submission.id, "verify.rechecked", "passed", REPORT)
    reads(store, letter)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert letter.receipt.xml in written  # what is proof stays readable
    assert b"44051401359" not in written
    assert b"Nowak" not in written
    store.close()


def test_everything_reads_as_if_it_had_never_been_encrypted(opened):
    store = opened(ONE)
    letter = letter_with(store)
    reads(store, letter)
    (claim,) = store.claim(LEASE)
    assert (store.parcel(claim).document, store.parcel(claim).report) == (PLANTED, REPORT)
    assert [one.submission for one in store.awaiting()] == [letter.submission]
    store.settle(letter.submission.id, "verify.rechecked", "passed", b"{}")
    assert store.show(letter.submission.id).later_report == b"{}"
    assert store.find(fingerprint(letter)) == letter.receipt
    assert lie_in(store) == {ONE.key}


def test_content_from_before_the_first_key_stays_readable(opened):
    before = letter_with(opened(CLEAR))
    store = opened(ONE)
    after = letter_with(store)
    reads(store, before)
    reads(store, after)
    assert lie_in(store) == {"", ONE.key}


@pytest.mark.parametrize("keys", [CLEAR, AtRest([NEW])], ids=["no key", "another key"])
def test_a_broker_without_the_key_does_not_start_even_before_anything_is_stored(opened, keys):
    opened(ONE)
    with pytest.raises(ConfigError, match=f"under the key {ONE.key}"):
        opened(keys)


def test_a_broken_known_answer_is_a_wrong_key(opened, url):
    opened(ONE)
    engine = open_engine(url, writes=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE content_keys SET proof = substr(proof, 1, 20)"))
    engine.dispose()
    with pytest.raises(ConfigError, match=f"under the key {ONE.key}"):
        opened(ONE)


def test_every_missing_key_is_named(opened):
    opened(ONE)
    opened(BOTH)
    with pytest.raises(ConfigError) as wrong:
        opened(CLEAR)
    assert [ONE.key in wrong.value.problems[0], BOTH.key in wrong.value.problems[1]] == [True, True]


def test_contents_that_were_swapped_between_rows_do_not_open(opened, url):
    store = opened(ONE)
    one, two = letter_with(store), kept(store, b"<two/>")
    engine = open_engine(url, writes=True)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE content SET document = (SELECT document FROM content WHERE submission = :two)"),
            {"two": two.submission.id},
        )
    engine.dispose()
    assert store.document(two.submission.id) == b"<two/>"
    with pytest.raises(Unavailable, match="another's place"):
        store.document(one.submission.id)


def test_a_new_first_key_writes_and_the_old_one_still_reads(opened):
    before = letter_with(opened(ONE))
    store = opened(BOTH)
    after = letter_with(store)
    reads(store, before)
    reads(store, after)
    assert lie_in(store) == {ONE.key, BOTH.key}


def test_after_rekey_all_content_is_under_the_new_key_and_the_old_one_is_needed_no_more(opened):
    letters, before = [letter_with(opened(CLEAR))], opened(ONE)
    letters += [letter_with(before) for _ in range(40)]
    store = opened(BOTH)
    store.settle(letters[0].submission.id, "verify.rechecked", "passed", REPORT)
    assert sum(store.rekey()) == store.contents() == 42
    assert lie_in(store) == {BOTH.key}
    alone = opened(AtRest([NEW]))
    for it in letters:
        reads(alone, it)
    assert alone.show(letters[0].submission.id).later_report == REPORT
    with pytest.raises(ConfigError):
        opened(ONE)


def test_rekey_that_was_broken_off_goes_on_where_work_is_left(opened):
    first = opened(ONE)
    letters = [letter_with(first) for _ in range(40)]
    breaking_off = opened(BOTH).rekey()
    next(breaking_off)
    breaking_off.close()
    assert lie_in(first) == {ONE.key, BOTH.key}
    store = opened(BOTH)
    rewritten = []
    store.write = lambda work, asked, write=store.write: (rewritten.append(asked), write(work, asked))[1]
    assert sum(store.rekey()) == 40
    assert sum(len(some) for some in rewritten if not isinstance(some, str)) == 24
    for it in letters:
        reads(store, it)


def test_brokers_take_in_and_hand_out_while_the_key_is_changed(opened):
    before = opened(ONE)
    letters = [letter_with(before) for _ in range(60)]
    serving = opened(BOTH)
    done, during = threading.Event(), []

    def serve():
        while not done.is_set():
            during.append(letter_with(serving))
            reads(serving, during[-1])
            for claim in serving.claim(LEASE, 3):
                assert serving.parcel(claim).document == PLANTED

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        store = opened(BOTH)
        for _ in store.rekey():
            pass
    finally:
        done.set()
        thread.join()
    assert during
    assert lie_in(store) == {BOTH.key}
    for it in letters + during:
        reads(store, it)


def test_rekey_without_a_key_is_a_configuration_error(opened):
    letter_with(opened(CLEAR))
    with pytest.raises(ConfigError, match="encryption_keys"):
        list(opened(CLEAR).rekey())


def test_what_was_written_in_clear_is_gone_from_the_file_after_rekey(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    plain = SqlStore(url, clock=Hands())
    letter_with(plain), kept(plain, PLANTED * 1000)
    plain.close()
    assert b"44051401359" in Path(tmp_path / "store.sqlite").read_bytes()
    store = SqlStore(url, clock=Hands(), at_rest=ONE)
    assert list(store.rekey()) == [2]
    store.close()  # folds the write-ahead log in
    assert b"44051401359" not in Path(tmp_path / "store.sqlite").read_bytes()


def test_examining_a_store_writes_nothing(tmp_path):
    file = tmp_path / "store.sqlite"
    url = f"sqlite:///{file}"
    letter_with(SqlStore(url, clock=Hands()))
    for at_rest in (CLEAR, ONE, BOTH):
        store = SqlStore(url, clock=Hands(), at_rest=at_rest)
        store.examine()
        store.close()
    opened = SqlStore(url, clock=Hands(), at_rest=ONE)
    letter_with(opened)
    opened.close()
    with pytest.raises(ConfigError, match=ONE.key):
        SqlStore(url, clock=Hands()).examine()
