"""Messages in parts (MTOM): each part within a limit of its own while it arrives, and nothing grows or is fetched."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.channels.soap.endpoint import ALLOWANCE, largest
from adapters.testkit.box import Box, Reply, Submission
from adapters.testkit.desk import Desk
from adapters.wire import mtom, ob, soap
from adapters.wire.base64_text import encode
from adapters.wire.multipart import LONGEST_HEAD, MOST_PARTS
from adapters.wire.soap import SOAP11, SOAP12
from broker.parse import Limits
from broker.partner import Partners
from tests.partners import Cast, a_partner
from tests.soap_serving import serving

LIMITS = Limits(payload=500_000)
KIND = 'multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary=b'
ROOT = b"--b\r\nContent-Type: application/xop+xml; type=text/xml\r\nContent-ID: <root>\r\n\r\n"
END = b"\r\n--b--\r\n"
XOP = "http://www.w3.org/2004/08/xop/include"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk, limits=LIMITS, patience=5) as address:
        yield address


def include(href: str) -> bytes:
    return f'<x:Include xmlns:x="{XOP}" href="{href}"/>'.encode()


def envelope(content: bytes = include("cid:p")) -> bytes:
    """A message whose document is what stands in `content`."""
    return soap.write(SOAP11, Submission().body(content), Submission().header_blocks())


def part(name: str, content: bytes, *fields: bytes) -> bytes:
    head = (b"\r\n--b", b"Content-ID: <%s>" % name.encode(), *fields, b"", b"")
    return b"\r\n".join(head) + content


def post(url: str, *pieces: bytes, kind: str = KIND) -> Reply:
    return Box(url=url).post(b"".join(pieces), kind)


def said_to(url: str, pieces: Iterable[bytes], kind: str = KIND) -> Reply:
    """The answer to a message of which more was promised: to a client that has sent these pieces and waits."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as line:
        head = f"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode())
        with suppress(ConnectionError):
            for piece in pieces:
                line.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        response = http.client.HTTPResponse(line)
        response.begin()
        return Reply(status=response.status, headers=dict(response.getheaders()), body=response.read())


# ── how large, and how many ──────────────────────────────────────────────────────────────────────────────


def test_a_part_may_hold_the_largest_document_in_either_encoding(url: str, desk: Desk) -> None:
    document = b"<a>" + b"z" * (LIMITS.payload - 7) + b"</a>"
    lines = encode(document)
    lines = b"\r\n".join(lines[at : at + 76] for at in range(0, len(lines), 76))
    for sent in (
        part("p", document),
        part("p", document, b"Content-Transfer-Encoding: 8bit"),
        part("p", lines, b"Content-Transfer-Encoding: BASE64"),
    ):
        assert post(url, ROOT, envelope(), sent, END).status == 200
    assert [one.payload for one in desk.envelopes] == [document] * 3


def test_a_document_that_is_somewhat_too_large_still_reaches_intake_which_records_its_refusal(
    url: str, desk: Desk
) -> None:
    document = b"z" * (LIMITS.payload + ALLOWANCE)
    assert post(url, ROOT, envelope(), part("p", document), END).status == 200
    assert [len(one.payload) for one in desk.envelopes] == [len(document)]


@pytest.mark.parametrize(
    ("before", "place"),
    [
        (ROOT, "part 1"),
        (ROOT + envelope() + part("p", b""), "part 2"),
        (ROOT + envelope() + part("p", b"x") + part("q", b""), "part 3"),
    ],
    ids=["the envelope", "one beside it", "one that nobody refers to"],
)
def test_a_part_that_grows_too_large_is_refused_while_it_arrives(
    url: str, desk: Desk, before: bytes, place: str
) -> None:
    """Its end is never sent: who waited for it would wait for ever."""
    most = LIMITS.payload + ALLOWANCE
    assert most < largest(LIMITS)
    reply = said_to(url, [before, *[b"x" * 50_000] * (most // 50_000), b"x" * (most % 50_000 + 100)])
    assert (reply.status, reply.code()) == (413, "soap.part-too-large")
    assert f"{most}".encode() in reply.body
    assert f"<miejsce>{place}</miejsce>".encode() in reply.body
    assert not desk.envelopes


def test_what_is_refused_while_it_arrives_is_told_in_the_soap_that_was_announced(url: str) -> None:
    kind = KIND.replace("text/xml", SOAP12.media_type)
    reply = said_to(url, [ROOT, *[b"x" * 50_000] * 20], kind)
    assert reply.message().version is SOAP12
    assert (reply.status, reply.fault().code) == (413, "Sender")


def test_parts_together_may_have_no_more_than_a_message(url: str) -> None:
    parts = [part(f"p{number}", b"x" * 400_000) for number in range(3)]
    reply = said_to(url, [ROOT, envelope(), *parts])
    assert (reply.status, reply.code()) == (413, "soap.too-large")


def test_one_part_too_many_is_refused_while_they_arrive(url: str) -> None:
    parts = [part(f"p{number}", b"") for number in range(MOST_PARTS)]
    reply = said_to(url, [ROOT, envelope(), *parts])
    assert (reply.status, reply.code()) == (413, "soap.too-many-parts")


@pytest.mark.parametrize(
    "sent",
    [
        [b"preamble " * 1_000],
        [ROOT, envelope(), b"\r\n--b\r\nX: ", b"y" * (LONGEST_HEAD + 10)],
        [ROOT, envelope(), b"\r\n--b", b"\r\nX: y" * LONGEST_HEAD],
        [ROOT, envelope(), part("p", b"x"), END, b"epilogue " * 1_000],
        [ROOT, b"\r\n--bx" * 2_000],
    ],
    ids=["a preamble", "a field of a head", "a head", "an epilogue", "what is nearly a boundary"],
)
def test_what_belongs_to_no_part_has_its_limits_too(url: str, sent: list[bytes]) -> None:
    reply = said_to(url, sent)
    assert (reply.status, reply.code()) == (500, "soap.multipart")


def test_a_partners_size_is_that_of_each_part(desk: Desk, tmp_path: Path) -> None:
    cast = Cast(tmp_path)
    cast.server()
    portal = cast.client("portal")
    partners = Partners([a_partner("portal", portal, size=100_000)])
    about = {"certificate": "server.pem", "proof": ["tls"], "folder": tmp_path, "limits": Limits(payload=5_000_000)}
    with serving(desk, partners=lambda: partners, clock=lambda: datetime.now(UTC), **about) as url:
        box = Box(url=url, tls=cast.context(portal))

        def sent(size: int) -> Reply:
            """Parts of such a size each, of which only the first is referred to."""
            content = Submission(sender="portal").body(include("cid:p"))
            root = soap.write(SOAP11, content, Submission(sender="portal").header_blocks())
            return box.post(b"".join((ROOT, root, part("p", b"x" * size), END)), KIND)

        assert sent(100_000).status == 200
        reply = sent(100_000 + ALLOWANCE + 1)
        assert (reply.status, reply.code()) == (413, "soap.part-too-large")
        assert len(desk.envelopes) == 1


# ── the envelope around a document ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "ballast",
    [
        b"<x:X xmlns:x='urn:x'>%s</x:X>" % (b"y" * ALLOWANCE),
        b"<x:X xmlns:x='urn:x' a='%s'/>" % (b"y" * ALLOWANCE),
        b"<!--%s-->" % (b"y" * ALLOWANCE),
        b" " * ALLOWANCE,
        b"<x:Yyyyyyyyyy xmlns:x='urn:x'/>" * 20_000,
    ],
    ids=["text", "an attribute", "a comment", "space", "many blocks"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["inline", "mtom"])
def test_the_header_may_not_be_as_large_as_a_document(url: str, desk: Desk, ballast: bytes, packed: bool) -> None:
    submission = Submission(headers=ballast)
    reply = Box(url=url, mtom=packed).submit(submission)
    assert (reply.status, reply.code()) == (413, "soap.header-too-large")
    assert not desk.envelopes


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_header_that_goes_on_and_on_is_refused_while_it_arrives(desk: Desk, codec: str) -> None:
    """A Body must begin within four times what the envelope may have, in whatever encoding; then it may be long."""
    mark = "" if codec == "utf-8" else "\ufeff"
    head = f'{mark}<e:Envelope xmlns:e="{SOAP11.namespace}"><e:Header>'.encode(codec)
    with serving(desk, limits=Limits(payload=5_000_000), patience=5) as url:
        reply = said_to(url, [head, *[b"x" * 50_000] * 30], "text/xml")
        assert (reply.status, reply.code()) == (413, "soap.header-too-large")
        late = Submission(headers=b"<!--" + b"x" * (ALLOWANCE - 5_000) + b"-->", document=b"z" * 1_500_000)
        sent = late.envelope(SOAP11).decode().replace(' encoding="UTF-8"', "")
        assert post(url, (mark + sent).encode(codec), kind="text/xml").status == 200


def test_what_stands_beside_the_document_in_the_body_counts_as_header(url: str, desk: Desk) -> None:
    around = envelope(b"").replace(b"</soap:Body>", b"<!--" + b"y" * ALLOWANCE + b"--></soap:Body>")
    assert post(url, around, kind="text/xml").code() == "soap.header-too-large"
    large = b"<a><!--" + b"y" * ALLOWANCE + b"--></a>"
    assert Box(url=url).submit(Submission(any=True, document=large)).status == 200


def test_a_question_may_be_no_larger_than_an_envelope(url: str) -> None:
    """It brings no document."""
    reply = Box(url=url.replace("skrytka", "uzgodnienie")).post(b" " * (ALLOWANCE + 1), "text/xml")
    assert (reply.status, reply.code()) == (413, "soap.too-large")
    reply = Box(url=url.replace("skrytka", "uzgodnienie")).post(b" " * ALLOWANCE, "text/xml")
    assert reply.code() == "parse.empty"


# ── what parts are ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sent", "kind", "code"),
    [
        ([ROOT, envelope(), part("p", b"x")], KIND, "soap.multipart"),
        ([ROOT, envelope(), part("p", b"x"), END], KIND.replace("=b", "=" + "b" * 71), "soap.multipart"),
        ([ROOT, envelope(), part("p", b"x"), END], KIND.replace("; boundary=b", ""), "soap.multipart"),
        ([ROOT, envelope(), part("p", b"x"), END], KIND + "; boundary=c", "soap.content-type"),
        ([ROOT, envelope(), part("p", b"x"), part("p", b"y"), END], KIND, "soap.multipart"),
        ([ROOT, envelope(), part("p", b"x", b"Content-ID: <q>"), END], KIND, "soap.multipart"),
        (
            [ROOT, envelope(), part("p", b"x", b"Content-Transfer-Encoding: quoted-printable"), END],
            KIND,
            "soap.multipart",
        ),
        ([ROOT, envelope(), part("p", b"x", b"Content-Transfer-Encoding: gzip"), END], KIND, "soap.multipart"),
        ([ROOT, envelope(), part("p", b"!", b"Content-Transfer-Encoding: base64"), END], KIND, "soap.base64"),
        (
            [ROOT.replace(b"application/xop+xml; type=text/xml", b"multipart/related; boundary=c"), envelope(), END],
            KIND,
            "soap.content-type",
        ),
        ([ROOT, envelope(), part("p", b"x"), part("q", b"y"), END], KIND, "soap.part-unused"),
        ([ROOT, envelope(encode(b"<a/>")), part("p", b"x"), END], KIND, "soap.part-unused"),
    ],
    ids=[
        "no last boundary",
        "a boundary of 71 characters",
        "no boundary",
        "two boundaries",
        "an id twice",
        "two ids",
        "quoted-printable",
        "a compressed part",
        "no base64",
        "a multipart for an envelope",
        "one nobody refers to",
        "none referred to",
    ],
)
def test_parts_that_could_mean_two_things_or_nothing_are_refused(
    url: str, desk: Desk, sent: list[bytes], kind: str, code: str
) -> None:
    assert post(url, *sent, kind=kind).code() == code
    assert not desk.envelopes


def test_a_multipart_in_a_part_is_octets_and_is_not_taken_apart(url: str, desk: Desk) -> None:
    inner = b"--c\r\nContent-ID: <p>\r\n\r\nx\r\n--c--\r\n"
    assert (
        post(url, ROOT, envelope(), part("p", inner, b"Content-Type: multipart/mixed; boundary=c"), END).status == 200
    )
    assert desk.envelopes[0].payload == inner


@pytest.mark.parametrize(
    ("identifier", "href"),
    [
        ("p@x", "cid:p@x"),
        ("p@x", "cid:p%40x"),
        ("p@x", "CID:p%40x"),
        ("http://tempuri.org/0/639", "cid:http%3A%2F%2Ftempuri.org%2F0%2F639"),
        ("100%25@x", "cid:100%2525@x"),
        ("a b", " cid:a%20b\n"),
    ],
)
def test_an_include_finds_its_part_by_its_escaped_id(url: str, desk: Desk, identifier: str, href: str) -> None:
    """RFC 2392 §2: in a URL an id is escaped, in its head it is not."""
    assert post(url, ROOT, envelope(include(href)), part(identifier, b"<a/>"), END).status == 200
    assert desk.envelopes[0].payload == b"<a/>"


# ── nothing grows, and nothing is fetched ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("times", [2, 10_000])
def test_a_part_that_is_included_again_and_again_is_refused_and_not_repeated(url: str, desk: Desk, times: int) -> None:
    """10,000 times 400 kB would be 4 GB."""
    document = b'<a xmlns:x="%s">%s</a>' % (XOP.encode(), b'<f><x:Include href="cid:p"/></f>' * times)
    root = Submission(any=True, document=document).envelope(SOAP11)
    assert post(url, ROOT, root, part("p", b"x" * 400_000), END).code() == "soap.part"
    assert not desk.envelopes


def test_a_part_that_includes_itself_or_others_is_octets(url: str, desk: Desk) -> None:
    content = b"<a>" + include("cid:p") + include("cid:root") + b"</a>"
    assert post(url, ROOT, envelope(), part("p", content), END).status == 200
    assert desk.envelopes[0].payload == content


def test_an_include_in_a_value_is_a_value(url: str, desk: Desk) -> None:
    document = b'<a href="cid:p" b="&lt;x:Include href=\'cid:p\'/&gt;"/>'
    root = Submission(any=True, document=document).envelope(SOAP11)
    assert post(url, ROOT, root, part("p", b"secret"), END).code() == "soap.part-unused"
    assert post(url, ROOT, root, END).status == 200
    assert b"secret" not in desk.envelopes[0].payload


@pytest.mark.parametrize("any_", [False, True], ids=["nadaj", "nadajAny"])
def test_an_include_reaches_nothing_outside_its_message(url: str, desk: Desk, tmp_path: Path, any_: bool) -> None:
    """Neither the network nor a file nor the envelope itself: a listener hears nobody."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        hrefs = [
            f"http://{here}/p",
            f"https://{here}/p",
            f"ftp://{here}/p",
            f"//{here}/p",
            secret.as_uri(),
            str(secret),
        ]
        for href in [*hrefs, "cid:root", "cid:", "p", "", "cid:cid:p", "cid:%70%00", "cid:%"]:
            root = Submission(any=True, document=b"<a>" + include(href) + b"</a>").envelope(SOAP11)
            reply = post(url, ROOT, root if any_ else envelope(include(href)), part("p", b"x"), END)
            assert reply.code() == "soap.part", href
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not desk.envelopes


def test_extras_in_a_part_may_be_no_larger_than_extras(url: str, desk: Desk) -> None:
    block = ob.element("DaneDodatkowe", include("cid:e"))
    root = soap.write(
        SOAP11, Submission().body(encode(b"<a/>")), Submission(extras=None, headers=block).header_blocks()
    )
    extras = ob.write_extras([("IdentyfikatorSprawy", "A.1")])
    assert post(url, ROOT, root, part("e", extras), END).status == 200
    assert desk.envelopes[0].case == "A.1"
    assert post(url, ROOT, root, part("e", b"<a>" + b"x" * 70_000 + b"</a>"), END).code() == "parse.too-large"


def test_mtom_packs_what_the_channel_takes(url: str, desk: Desk) -> None:
    kind, body = mtom.pack(SOAP11, envelope(include("cid:p")), {"p": b"<a/>"})
    assert Box(url=url).post(body, kind).status == 200
    assert desk.envelopes[0].payload == b"<a/>"
