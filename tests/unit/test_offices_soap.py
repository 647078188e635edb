"""The SOAP office without a network: its settings, its dialect, what an answer means, what accompanies a document."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.offices.soap import KIND
from adapters.offices.soap_answer import Reading, retry_after
from adapters.wire import extras, mtom, ob, soap
from adapters.wire.http import Answer
from broker.errors import ConfigError, Malformed, Refused, Unavailable
from broker.parse import Limits
from tests.around import SCHEMAS, a_parcel, packaged, surroundings
from tests.builders import NOON

URL = "http://127.0.0.1:9/"
READING = Reading(
    final_codes=frozenset({5}),
    final_faults=frozenset({"Client", "Sender"}),
    objects_namespace=ob.NS,
    limits=Limits(),
    clock=lambda: NOON,
)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)


def answered(body: bytes, *, status: int = 200, version: soap.Version = soap.SOAP11, **headers: str) -> Answer:
    return Answer(
        status=status,
        headers={"content-type": soap.content_type(version), **headers},
        body=soap.write(version, body),
    )


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://office/"},
        {"url": "https://user:secret@office/"},
        {"url": URL, "deadline": 0},
        {"url": URL, "user": "goniec"},
        {"url": URL, "password_variable": "X"},
        {"url": URL, "user": "goniec", "password_variable": "X", "password_file": "x"},
        {"url": URL, "ca": "ca.pem"},
        {"url": "https://office/", "client_key": "key.pem"},
        {"url": URL, "password": "in the open"},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings):
    with pytest.raises(ValidationError):
        KIND.settings(**settings)


def test_every_problem_of_the_files_is_told_at_once(tmp_path):
    own = KIND.settings(url="https://office/", user="u", password_file="none", ca="none", wsdl="none.wsdl")
    with pytest.raises(ConfigError) as wrong:
        KIND.make(own, surroundings(tmp_path))
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == ["password_file", "ca", "wsdl"]


def test_a_password_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("DMS_PASSWORD", "secret")
    office = KIND.make(KIND.settings(url=URL, user="goniec", password_variable="DMS_PASSWORD"), surroundings())
    assert office._headers["Authorization"] == "Basic " + base64.b64encode(b"goniec:secret").decode()
    with pytest.raises(ConfigError, match="password_variable"):
        KIND.make(KIND.settings(url=URL, user="goniec", password_variable="DMS_NO_PASSWORD"), surroundings())


# ── the office's own description ─────────────────────────────────────────────────────────────────────────


def envelope(settings: dict[str, object], folder: Path = Path("/nonexistent")) -> tuple[str, str, soap.Message]:
    """Return Content-Type, SOAPAction and what is in the envelope that an office would be sent."""
    office = KIND.make(KIND.settings(url=URL, **settings), surroundings(folder))
    sent: list[tuple[dict[str, str], bytes]] = []

    class Line:
        def call(self, _method, headers, body):
            sent.append((headers, b"".join(body)))
            return answered(ob.write_receiver_answer(ob.Answer(code=1, message="7")))

    office._http = Line()
    assert office.deliver(a_parcel(b"<a/>\n")) == "7"
    ((headers, body),) = sent
    return headers["Content-Type"], headers.get("SOAPAction", ""), soap.read(body, Limits())


def test_the_two_versions_of_soap_announce_themselves_as_they_should():
    action = "urn:goniec:odbiorca:odbierzDokument"
    assert envelope({})[:2] == ("text/xml; charset=utf-8", f'"{action}"')
    assert envelope({"port": "odbiorca12"})[:2] == (f'application/soap+xml; charset=utf-8; action="{action}"', "")


def test_names_that_an_office_calls_otherwise_are_taken_from_its_settings():
    kind, action, message = envelope({"objects_namespace": "urn:own:objects", "soap_action": "urn:own:take"})
    assert action == '"urn:own:take"'
    assert message.body.tag == "{urn:own:objects}Dokument"
    assert {block.tag.partition("}")[0] for block in message.headers} == {"{urn:own:objects"}
    assert kind


def own_wsdl(folder: Path, *changes: tuple[str, str]) -> str:
    (folder / "sub").mkdir(exist_ok=True)
    text = packaged("soap/odbiorca.wsdl").decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "sub" / "own.wsdl").write_text(text, encoding="utf-8")
    (folder / "sub" / "obiekty.xsd").write_bytes(packaged("soap/obiekty.xsd"))
    return "sub/own.wsdl"


def test_an_office_may_bring_its_own_wsdl_with_what_it_imports(tmp_path):
    name = own_wsdl(
        tmp_path,
        ('name="odbierzDokument"', 'name="przyjmij"'),
        ("urn:goniec:odbiorca", "urn:ezd"),
        ('service name="odbiorca"', 'service name="EzdService"'),
        ('port name="odbiorca"', 'port name="EzdPort"'),
    )
    _, action, message = envelope(
        {"wsdl": name, "operation": "przyjmij", "service": "EzdService", "port": "EzdPort"}, tmp_path
    )
    assert action == '"urn:ezd:odbierzDokument"'
    assert message.body.tag == ob.DOCUMENT


@pytest.mark.parametrize(
    "change",
    [
        ("obiekty.xsd", "http://127.0.0.1:9/obiekty.xsd"),
        ("obiekty.xsd", "file:///../outside.xsd"),
        ("obiekty.xsd", "missing.xsd"),
        ("<definitions ", "<!DOCTYPE definitions><definitions "),
        ("</definitions>", ""),
        ('<part name="daneDodatkowe" element="ob:DaneDodatkowe">', '<part name="daneDodatkowe" element="ob:NazwaPliku">'),
        ('element="ob:Dokument"', 'element="ob:OdpowiedzSkrytki"'),
    ],
    ids=["network", "outside", "missing", "dtd", "cut", "no-delivery-id", "another-body"],
)  # fmt: skip
def test_a_wsdl_that_does_not_fit_is_a_configuration_error(tmp_path, change):
    (tmp_path / "outside.xsd").write_bytes(packaged("soap/obiekty.xsd"))
    with pytest.raises(ConfigError, match="wsdl"):
        envelope({"wsdl": own_wsdl(tmp_path, change)}, tmp_path)


ORIGINAL = SCHEMAS.parents[1] / "shared" / "data" / "epuap-wsdl" / "obiektypk.xsd"

if ORIGINAL.exists():

    def test_our_receiver_takes_the_objects_as_the_platform_describes_them(tmp_path):
        name = own_wsdl(tmp_path)
        (tmp_path / "sub" / "obiekty.xsd").write_bytes(ORIGINAL.read_bytes())
        ours, theirs = envelope({}), envelope({"wsdl": name}, tmp_path)
        assert [block.tag for block in theirs[2].headers] == [block.tag for block in ours[2].headers]
        assert theirs[2].body.tag == ours[2].body.tag


@pytest.mark.parametrize("wrong", [{"operation": "nadaj"}, {"service": "skrytka"}, {"port": "pull"}])
def test_names_that_the_wsdl_does_not_have_are_configuration_errors(wrong):
    with pytest.raises(ConfigError, match="wsdl"):
        envelope(wrong)


# ── what an answer means ─────────────────────────────────────────────────────────────────────────────────


def test_the_reference_is_the_offices_message_or_the_name_of_its_attachment():
    file = ob.File(name="RPW-17.xml", content=b"<a/>\n")
    for answer, reference in (
        (ob.Answer(code=1, message=" RPW/17\n z 2026 ", attachment=file), "RPW/17 z 2026"),
        (ob.Answer(code=1, message="", attachment=file), "RPW-17.xml"),
        (ob.Answer(code=1, message=""), ""),
        (ob.Answer(code=1, message="x" * 1000), "x" * 200),
    ):
        assert READING.reference(answered(ob.write_receiver_answer(answer))) == reference


def test_an_answer_in_several_parts_is_read():
    body = soap.write(
        soap.SOAP12,
        ob.element(
            "OdpowiedzOdbiorcy",
            b"<status><kod>1</kod><komunikat>7</komunikat></status><zalacznik><nazwaPliku>a</nazwaPliku><zawartosc>"
            b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a@b"/></zawartosc></zalacznik>',
        ),
    )
    kind, packed = mtom.pack(soap.SOAP12, body, {"a@b": b"<a/>\n\n"})
    assert READING.reference(Answer(status=200, headers={"content-type": kind}, body=packed)) == "7"


def test_a_yes_under_another_namespace_is_a_yes_only_where_the_settings_say_so():
    said = answered(ob.write_receiver_answer(ob.Answer(code=1, message="7")).replace(ob.NS.encode(), b"urn:own"))
    own = Reading(
        final_codes=frozenset(), final_faults=frozenset(), objects_namespace="urn:own", limits=Limits(), clock=lambda: NOON
    )  # fmt: skip
    assert own.reference(said) == "7"
    with pytest.raises(Unavailable):
        READING.reference(said)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Client", Refused),
        ("Client.Authentication", Refused),
        ("Server", Unavailable),
        ("VersionMismatch", Unavailable),
        ("MustUnderstand", Unavailable),
        ("44051401359", Unavailable),
        ("", Unavailable),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_fault_means_what_its_code_says_whatever_the_http_status(code, error, status):
    fault = f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>Jan 44051401359</faultstring></soap:Fault>"
    with pytest.raises(error) as no:
        READING.reference(answered(fault.encode(), status=status))
    assert "44051401359" not in str(no.value)


def test_a_fault_with_a_final_kod_is_final_whoever_it_blames():
    fault = soap.Fault(blame=soap.Blame.RECEIVER, pl="nie", en="no", detail=ob.write_exception(5, "nie"))
    said = Answer(status=500, headers={"content-type": "text/xml"}, body=soap.write_fault(soap.SOAP11, fault))
    with pytest.raises(Refused, match="kod 5"):
        READING.reference(said)


@given(st.integers(100, 999), st.binary(max_size=300), st.text(max_size=40), st.text(max_size=20))
def test_no_answer_whatever_it_holds_raises_anything_but_ours(status, body, kind, wait):
    said = Answer(status=status, headers={"content-type": kind, "retry-after": wait}, body=body)
    with pytest.raises(Unavailable):
        READING.reference(said)


@given(st.data())
def test_a_good_answer_with_one_byte_changed_is_a_yes_or_unavailable_or_refused(data):
    body = bytearray(soap.write(soap.SOAP11, ob.write_receiver_answer(ob.Answer(code=1, message="7"))))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unavailable, Refused):
        assert isinstance(READING.reference(Answer(status=200, headers={}, body=bytes(body))), str)


@given(st.text(max_size=40))
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")  # a year that no number of the library's holds
def test_a_wait_is_never_negative_and_never_without_end(value):
    wait = retry_after(value, lambda: NOON)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=7)


# ── what accompanies a document ──────────────────────────────────────────────────────────────────────────


@given(st.fixed_dictionaries(dict.fromkeys(("sender", "file_name", "reply_to", "case", "in_reply_to"), words)))
def test_what_is_written_into_the_extras_is_read_out_of_them(about):
    parcel = a_parcel(**about)
    got = extras.read_extras(extras.write(parcel), Limits())
    assert got.facts == dict(parcel.summary)
    assert (got.receipt, got.report) == (parcel.receipt.xml, parcel.report)


@given(words, words, words)
def test_the_extras_obey_their_schema(sender, case, reply_to):
    xml = extras.write(a_parcel(sender=sender, case=case, reply_to=reply_to)).decode()
    SCHEMA.validate(xml)


SCHEMA = xmlschema.XMLSchema(SCHEMAS / "soap" / "dane-dodatkowe.xsd")


def test_the_documents_id_comes_last_and_the_last_one_counts():
    parcel = a_parcel()
    xml = extras.write(parcel)
    assert ob.read_extras(xml)["IdentyfikatorDokumentu"] == parcel.submission.id
    assert xml.rstrip().endswith(
        f"<IdentyfikatorDokumentu>{parcel.submission.id}</IdentyfikatorDokumentu></DaneDodatkowe>".encode()
    )


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (rb"<(/?)DaneDodatkowe", rb"<\1Dane"),
        (rb"<(/?)IdentyfikatorDoreczenia", rb"<\1Identyfikator"),
        (rb"<UPP .*</UPP>", b""),
        (b'algorytm="SHA-256">', b'algorytm="SHA-256">!'),
        (b"<Nadawca>", b"<Nadawca><a/>"),
    ],
    ids=["another-root", "no-delivery", "no-receipt", "no-base64", "no-text"],
)
def test_extras_of_another_shape_are_malformed(pattern, new):
    xml, changes = re.subn(pattern, new, extras.write(a_parcel()))
    assert changes
    with pytest.raises(Malformed):
        extras.read_extras(xml, Limits())


def test_elements_of_a_later_version_are_skipped():
    parcel = a_parcel()
    xml = extras.write(parcel).replace(b"<Nadawca>", b"<Nowy><a/></Nowy><Nadawca>")
    assert extras.read_extras(xml, Limits()).facts == dict(parcel.summary)
