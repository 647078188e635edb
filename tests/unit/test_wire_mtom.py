from __future__ import annotations

import pytest

from adapters.wire.media import MediaType, media_type
from adapters.wire.mtom import Parts, inline, pack, unpack
from adapters.wire.ob import binary
from adapters.wire.soap import SOAP11, SOAP12
from broker.errors import Malformed
from broker.parse import Limits, read

KIND = MediaType(name="multipart/related", parameters={"boundary": "b", "start-info": "text/xml"})
ROOT = b'Content-ID: <root>\r\nContent-Type: application/xop+xml; type="text/xml"\r\n\r\n<a/>'


def body(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str, content: bytes, encoding: str = "binary") -> bytes:
    return f"Content-ID: <{name}>\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + content


def include(name: str, namespace: str = "http://www.w3.org/2004/08/xop/include") -> bytes:
    return f'<x:Include xmlns:x="{namespace}" href="cid:{name}"/>'.encode()


def element(xml: bytes):
    return read(xml, Limits())


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"\n\n", b"x--b", b"\r\n--bb\r\n", b"x--b--", b"\r\n-", bytes(range(256))]
)
def test_a_part_comes_out_as_it_went_in_whatever_its_bytes(content: bytes) -> None:
    package = unpack(body(ROOT, part("p", content)), KIND)
    assert package.parts.take(element(include("p"))) == content


@pytest.mark.parametrize("version", [SOAP11, SOAP12])
def test_what_was_packed_is_unpacked(version) -> None:
    kind, packed = pack(version, b"<a/>", {"p@x": b"goniec-part", "q": b""}, "urn:act")
    package = unpack(packed, media_type(kind))
    assert package.envelope == b"<a/>"
    assert package.type.name == version.media_type
    assert package.parts.take(element(include("p%40x"))) == b"goniec-part"
    assert package.parts.take(element(include("q"))) == b""
    package.parts.demand_none_left()


def test_the_root_is_the_part_that_start_names() -> None:
    kind = MediaType(name="multipart/related", parameters={**KIND.parameters, "start": "<root>"})
    package = unpack(body(part("p", b"x"), ROOT), kind)
    assert package.envelope == b"<a/>"


def test_a_preamble_and_an_epilogue_say_nothing() -> None:
    assert unpack(b"hello\r\n" + body(ROOT) + b"good bye", KIND).envelope == b"<a/>"


def test_a_part_in_base64_is_decoded() -> None:
    package = unpack(body(ROOT, part("p", b"aGVs\r\nbG8=\r\n", "base64")), KIND)
    assert package.parts.take(element(include("p"))) == b"hello"


def test_a_part_is_taken_only_once_so_that_a_small_message_stays_small() -> None:
    parts = unpack(body(ROOT, part("p", b"x")), KIND).parts
    parts.take(element(include("p")))
    with pytest.raises(Malformed) as refused:
        parts.take(element(include("p")))
    assert refused.value.code == "soap.part"


def test_a_part_that_nobody_takes_is_refused_and_not_dropped() -> None:
    with pytest.raises(Malformed) as refused:
        unpack(body(ROOT, part("p", b"x")), KIND).parts.demand_none_left()
    assert refused.value.code == "soap.part-unused"


@pytest.mark.parametrize("href", ["cid:other", "http://example.test/p", "file:///etc/passwd", "p", ""])
def test_an_include_reaches_nothing_but_the_parts(href: str) -> None:
    parts = unpack(body(ROOT, part("p", b"x")), KIND).parts
    with pytest.raises(Malformed) as refused:
        parts.take(element(f'<I href="{href}"/>'.encode()))
    assert refused.value.code == "soap.part"


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (b"", KIND),
        (b"no boundary here", KIND),
        (body(ROOT, end=b""), KIND),
        (b"--b--\r\n", KIND),
        (b"--bx\r\n\r\n--b--", KIND),
        (body(b"no headers at all"), KIND),
        (body(b"nocolon\r\n\r\nx"), KIND),
        (body(b"a: " + b"x" * 9_000 + b"\r\n\r\n"), KIND),
        (body(ROOT, part("p", b"1"), part("p", b"2")), KIND),
        (body(ROOT, b"Content-Type: x/y\r\n\r\nno id"), KIND),
        (body(ROOT, part("p", b"x", "quoted-printable")), KIND),
        (body(ROOT).replace(b"\r\n", b"\n"), KIND),
        (body(ROOT), MediaType(name="multipart/related")),
        (body(ROOT), MediaType(name="multipart/related", parameters={"boundary": "b\u0105"})),
        (body(ROOT), MediaType(name="multipart/related", parameters={"boundary": "b", "start": "<other>"})),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(broken: bytes, kind: MediaType) -> None:
    with pytest.raises(Malformed) as refused:
        unpack(broken, kind)
    assert refused.value.code == "soap.multipart"


def test_includes_in_an_embedded_document_become_base64_text() -> None:
    root = element(b"<d><n>a</n><f>" + include("p") + b"</f></d>")
    inline(root, unpack(body(ROOT, part("p", b"hello")), KIND).parts)
    assert root.findtext("f") == "aGVsbG8="


def test_text_beside_an_include_is_refused() -> None:
    with pytest.raises(Malformed):
        binary(element(b"<f>aGVs" + include("p") + b"</f>"), unpack(body(ROOT, part("p", b"x")), KIND).parts)
    with pytest.raises(Malformed):
        inline(element(b"<f><g/>" + include("p") + b"</f>"), unpack(body(ROOT, part("p", b"x")), KIND).parts)


def test_a_message_without_parts_has_none_to_take() -> None:
    Parts().demand_none_left()
    with pytest.raises(Malformed):
        Parts().take(element(include("p")))


@pytest.mark.parametrize(
    ("header", "name", "parameters"),
    [
        ("text/xml", "text/xml", {}),
        ("Text/XML; charset=UTF-8;", "text/xml", {"charset": "UTF-8"}),
        ('a/b; Boundary="x;y=\\"z"; c=d', "a/b", {"boundary": 'x;y="z', "c": "d"}),
        ('application/soap+xml;action="urn:a"', "application/soap+xml", {"action": "urn:a"}),
    ],
)
def test_media_types_are_read(header: str, name: str, parameters: dict[str, str]) -> None:
    assert media_type(header) == MediaType(name=name, parameters=parameters)


@pytest.mark.parametrize(
    "header", ["", "text", "text/xml charset", "text/xml; a", 'a/b; x="', "a/b; x=1; X=2", "a/b, c/d"]
)
def test_a_media_type_with_two_meanings_is_refused(header: str) -> None:
    with pytest.raises(Malformed) as refused:
        media_type(header)
    assert refused.value.code == "soap.content-type"
