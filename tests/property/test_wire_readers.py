"""Nothing but our own refusals leaves a reader, and what is written is read back."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.channels.soap.endpoint import Endpoint, Request
from adapters.channels.soap.skrytka import SERVICE
from adapters.testkit.box import NS, Submission
from adapters.testkit.desk import Desk
from adapters.wire import mtom, ob, soap
from adapters.wire.base64_text import decode, encode
from adapters.wire.media import media_type
from adapters.wire.mtom import Parts
from adapters.wire.soap import SOAP11, SOAP12
from broker.errors import Malformed, Rejection
from broker.parse import Limits, read
from tests.builders import NOON

LIMITS = Limits()
versions = st.sampled_from([SOAP11, SOAP12])
white = st.text(alphabet=" \t\r\n", max_size=3)


def endpoint(desk: Desk) -> Endpoint:
    return Endpoint(service=SERVICE, channel="boxes", limits=LIMITS, accept=desk)


def mutated(data: st.DataObject, original: bytes) -> bytes:
    """Cut, repeat, replace or insert pieces."""
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.integers(0, 40))
        match data.draw(st.sampled_from(["cut", "repeat", "replace", "insert"])):
            case "cut":
                del changed[at : at + length]
            case "repeat":
                changed[at:at] = changed[at : at + length]
            case "replace":
                changed[at : at + length] = data.draw(st.binary(min_size=0, max_size=length))
            case "insert":
                changed[at:at] = data.draw(
                    st.sampled_from([b"\r\n--goniec-part", b"<", b"&x;", b"\x00", b"--", b"<!DOCTYPE a>"])
                )
    return bytes(changed)


@given(st.binary(max_size=300), versions)
def test_documents_survive_mtom_byte_for_byte(document: bytes, version) -> None:
    kind, body = Submission(document=document).package(version)
    package = mtom.unpack(body, media_type(kind))
    message = soap.read(package.envelope, LIMITS)
    assert message.body is not None
    assert ob.read_file(message.body, package.parts).content == document
    package.parts.demand_none_left()


@given(st.binary(max_size=200), st.data())
def test_base64_survives_any_white_space(content: bytes, data: st.DataObject) -> None:
    spread = "".join(char + data.draw(white) for char in encode(content).decode())
    assert decode(spread) == content


def reference(text: str | bytes) -> bytes | None:
    """Base64 with white space, by the letter: the white space taken out, four letters at a time."""
    packed = (text if isinstance(text, str) else text.decode("latin-1")).translate(dict.fromkeys(b" \t\r\n"))
    if not re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", packed):
        return None
    return base64.b64decode(packed)


nearly = st.text(st.sampled_from("AZaz09+/== \n\t*ą\x0b"), max_size=12)


@given(nearly)
def test_base64_is_taken_exactly_if_it_is_that(text: str) -> None:
    for form in text, text.encode("latin-1", "replace"):
        try:
            found = decode(form)
        except Malformed:
            found = None
        assert found == reference(form)


@given(st.binary(max_size=60), st.binary(max_size=60), nearly)
def test_parts_are_written_into_xml_as_they_would_be_put_into_its_tree(one: bytes, other: bytes, text: str) -> None:
    include = '<i><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:%s"/></i>'
    inside = include % "p" + f"<t>{text.replace(chr(11), '')}</t>" + include % "q" + "tail"
    around = f'<e xmlns:u="urn:u"><d xmlns="urn:d" u:a="&lt;">{inside}</d>behind</e>'.encode()

    def parts() -> Parts:
        return Parts({"p": ("", memoryview(one)), "q": ("base64", memoryview(encode(other)))})

    root, same = read(around, LIMITS), read(around, LIMITS)
    left = parts()
    written = mtom.write(root[0], left)
    left.demand_none_left()
    mtom.inline(same, parts())
    assert written == etree.tostring(deepcopy(same[0]), encoding="UTF-8", xml_declaration=False, with_tail=False)
    assert etree.tostring(root) == etree.tostring(read(around, LIMITS))


@given(st.text(max_size=100))
def test_text_survives_an_envelope_except_for_what_xml_forbids(text: str) -> None:
    root = read(b"<a>" + soap.escape(text) + b"</a>", LIMITS)
    allowed = "".join(
        c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
        for c in text
    )
    assert (root.text or "") == allowed


@settings(max_examples=300)
@given(st.data(), versions, st.booleans())
def test_no_exception_but_our_own_leaves_the_mtom_reader(data: st.DataObject, version, whole: bool) -> None:
    kind, body = Submission().package(version)
    with suppress(Rejection):
        package = mtom.unpack(
            mutated(data, body), media_type(mutated(data, kind.encode()).decode("latin-1") if whole else kind)
        )
        message = soap.read(package.envelope, LIMITS)
        if message.body is not None:
            ob.read_file(message.body, package.parts)


@settings(max_examples=300)
@given(st.data(), versions, st.booleans(), st.booleans())
def test_every_broken_message_gets_a_fault_and_none_is_a_bug(
    data: st.DataObject, version, packed: bool, any_: bool
) -> None:
    submission = Submission(any=any_, extras=ob.write_extras([("IdentyfikatorSprawy", "A.1")]))
    kind, body = (
        submission.package(version)
        if packed and not any_
        else (soap.content_type(version), submission.envelope(version))
    )
    desk = Desk()
    request = Request(body=mutated(data, body), content_type=kind, action="", received_at=NOON)
    response, _ = endpoint(desk).answer(request)
    message = soap.read(response.body, LIMITS)
    if response.status == 200:
        assert len(desk.envelopes) == 1
    else:
        fault = soap.read_fault(message)
        assert fault is not None
        assert not fault.receiver, response.body
        assert not desk.envelopes


# ── nadajAny ─────────────────────────────────────────────────────────────────────────────────────────────

names = st.sampled_from(["a", "b", "c"])
spaces = st.sampled_from(["urn:1", "urn:2", "urn:3"])
prefixes = st.sampled_from(["", "p", "q", "r"])


@st.composite
def scopes(draw: st.DrawFn) -> dict[str, str]:
    return draw(st.dictionaries(prefixes, spaces, max_size=3))


def declared(scope: dict[str, str]) -> str:
    return "".join(f' xmlns{":" if p else ""}{p}="{u}"' for p, u in scope.items())


@st.composite
def trees(draw: st.DrawFn, outer: dict[str, str], depth: int = 0) -> str:
    own = draw(scopes())
    scope = {**outer, **own}
    prefix = draw(st.sampled_from(["", *sorted(p for p in scope if p)]))
    name = (f"{prefix}:" if prefix else "") + draw(names)
    with_prefix = sorted(p for p in scope if p)
    attribute = f' {draw(st.sampled_from(with_prefix))}:x="1"' if with_prefix and draw(st.booleans()) else ' y=" 2 "'
    inside = "".join(draw(st.lists(trees(scope, depth + 1), max_size=2))) if depth < 3 else "zażółć &amp; <!--c-->\n"
    return f"<{name}{declared(own)}{attribute}>{inside}</{name}>"


@given(st.data())
def test_an_embedded_document_keeps_its_canonical_form_and_takes_nothing_of_the_envelope(data: st.DataObject) -> None:
    outer = data.draw(scopes())
    document = data.draw(trees(outer))
    holder = (
        f'<ext:Dokument xmlns:ext="{ob.EXT}" xmlns:unused="urn:unused"{declared(outer)}>\n{document}\n</ext:Dokument>'
    )
    desk = Desk()
    body = soap.write(SOAP11, holder.encode(), Submission(any=True).header_blocks())
    response, _ = endpoint(desk).answer(
        Request(body=body, content_type="text/xml", action=f'"{NS}nadajAny"', received_at=NOON)
    )
    assert response.status == 200, response.body
    payload = desk.envelopes[0].payload
    before = read(holder.encode(), LIMITS)[0]
    after = read(payload, LIMITS)
    assert etree.tostring(after, method="c14n", exclusive=True) == etree.tostring(
        before, method="c14n", exclusive=True, with_tail=False
    )
    assert b"urn:unused" not in payload
    assert ob.EXT.encode() not in payload
