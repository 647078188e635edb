from __future__ import annotations

import pytest

from adapters.wire import ob, soap
from adapters.wire.base64_text import decode, encode
from adapters.wire.mtom import Parts
from adapters.wire.soap import SOAP11, SOAP12, Blame, Fault
from broker.errors import Malformed
from broker.parse import Limits, read

LIMITS = Limits()
VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])


def refused(code: str, xml: bytes) -> None:
    with pytest.raises(Malformed) as no:
        soap.read(xml, LIMITS)
    assert no.value.code == code


@VERSIONS
def test_what_was_written_is_read(version) -> None:
    message = soap.read(soap.write(version, b"<a/>", b"<h/><!-- c --><i/>"), LIMITS)
    assert message.version is version
    assert [block.tag for block in message.headers] == ["h", "i"]
    assert message.body is not None
    assert message.body.tag == "a"


@VERSIONS
def test_an_empty_body_is_no_error_of_the_envelope(version) -> None:
    assert soap.read(soap.write(version, b""), LIMITS).body is None


@VERSIONS
def test_an_envelope_has_one_body_with_one_element_after_at_most_one_header(version) -> None:
    space = version.namespace
    for inside in (
        b"",
        b"<s:Header/>",
        b"<s:Body/><s:Body/>",
        b"<s:Body/><s:Header/>",
        b"<s:Body><a/><b/></s:Body>",
        b"<x/><s:Body/>",
    ):
        refused("soap.envelope", f'<s:Envelope xmlns:s="{space}">'.encode() + inside + b"</s:Envelope>")


def test_other_roots_are_refused_and_unknown_versions_are_told_apart() -> None:
    refused("soap.envelope", b"<letter/>")
    refused("soap.version", b'<Envelope xmlns="urn:soap-3"/>')


@VERSIONS
def test_only_blocks_for_us_must_be_understood(version) -> None:
    def block(role: str, must: str) -> bytes:
        return (
            f'<h:H xmlns:h="urn:h" xmlns:s="{version.namespace}" s:mustUnderstand="{must}" s:{version.role}="{role}"/>'
        ).encode()

    def demand(role: str, must: str, understood: frozenset[str] = frozenset()) -> None:
        soap.demand_understood(soap.read(soap.write(version, b"<a/>", block(role, must)), LIMITS), understood)

    demand("", "0")
    demand("urn:somebody-else", "1")
    demand("", "1", frozenset({"{urn:h}H"}))
    for role in sorted(version.ours):
        with pytest.raises(Malformed) as no:
            demand(role, "1")
        assert no.value.code == "soap.must-understand"


@VERSIONS
@pytest.mark.parametrize("blame", list(Blame))
def test_a_fault_is_read_as_it_was_written(version, blame) -> None:
    fault = Fault(blame=blame, pl="źle & <b>", en="bad", detail=ob.write_exception(113, 'ą < "\x00'))
    received = soap.read_fault(soap.read(soap.write_fault(version, fault), LIMITS))
    assert received is not None
    assert received.receiver == (blame is Blame.RECEIVER)
    assert received.reason.startswith("źle & <b>")
    assert ob.read_exception(received.detail) == (113, 'ą < "\ufffd')


@VERSIONS
def test_an_answer_is_no_fault(version) -> None:
    assert soap.read_fault(soap.read(soap.write(version, b"<a/>"), LIMITS)) is None


def test_an_answer_is_read_as_it_was_written() -> None:
    answer = ob.Answer(
        code=1,
        message="tak",
        document="d",
        receipt="u",
        attachment=ob.File(name="u.xml", media_type="text/xml", content=b"\r\n"),
    )
    assert ob.read_answer(read(ob.write_box_answer(answer), LIMITS), Parts()) == answer
    short = ob.Answer(code=7, message="")
    assert ob.read_answer(read(ob.write_receiver_answer(short), LIMITS), Parts()) == short
    assert not short.success


@pytest.mark.parametrize(
    "xml",
    [
        b"<D/>",
        b"<D><zawartosc/><zawartosc/></D>",
        b"<D><zawartosc/><inne/></D>",
        b'<D><x:zawartosc xmlns:x="urn:x"/></D>',
    ],
)
def test_a_file_has_one_content_and_nothing_unknown(xml: bytes) -> None:
    with pytest.raises(Malformed) as no:
        ob.read_file(read(xml, LIMITS), Parts())
    assert no.value.code == "soap.object"


def test_children_that_a_client_qualified_are_taken_too() -> None:
    xml = f'<D xmlns="{ob.NS}"><nazwaPliku>a</nazwaPliku><zawartosc>eA==</zawartosc></D>'.encode()
    assert ob.read_file(read(xml, LIMITS), Parts()) == ob.File(name="a", content=b"x")


def test_comments_do_not_cut_a_value_short() -> None:
    assert ob.binary(read(b"<z>aGVs<!-- c -->bG8=<?p?></z>", LIMITS), Parts()) == b"hello"
    assert ob.binary(read(b"<z><![CDATA[aGVsbG8=]]></z>", LIMITS), Parts()) == b"hello"


@pytest.mark.parametrize("text", ["aGVsbG8=", " aGVs\r\n\tbG8 = \n", "a G V s b G 8 ="])
def test_base64_is_read_through_any_white_space(text: str) -> None:
    assert decode(text) == b"hello"


@pytest.mark.parametrize(
    "text",
    ["aGVsbG8", "aGVsbG8==", "=aGVsbG8", "aGVs=bG8=", "aGVsbG8=aGVs", "aGV-", "ą", "aGVs\u00a0bG8=", "aGVs\x0bbG8="],
)
def test_what_is_not_base64_is_refused_and_not_skipped(text: str) -> None:
    with pytest.raises(Malformed) as no:
        decode(text)
    assert no.value.code == "soap.base64"


def test_base64_is_written_in_one_line() -> None:
    assert encode(b"x" * 100).count(b"\n") == 0


def test_of_several_extras_of_one_name_the_last_counts() -> None:
    xml = ob.write_extras(
        [("IdentyfikatorDokumentu", "1"), ("IdentyfikatorSprawy", "A<1"), ("IdentyfikatorDokumentu", " 2 ")]
    )
    assert ob.read_extras(xml) == {"IdentyfikatorDokumentu": "2", "IdentyfikatorSprawy": "A<1"}


@pytest.mark.parametrize("content", [b"", b"  ", b"plain words", b"\x00\x01", b"{}"])
def test_extras_that_are_no_xml_say_nothing(content: bytes) -> None:
    assert ob.read_extras(content) == {}


@pytest.mark.parametrize("content", [b"<a", b"\n<a><b></a>", b"\xef\xbb\xbf<!DOCTYPE a []><a/>"])
def test_extras_that_look_like_xml_must_be_safe_xml(content: bytes) -> None:
    with pytest.raises(Malformed):
        ob.read_extras(content)
