"""What is signed cannot be changed; what is not signed may be, and changes nothing.

Two properties hold the verifier to its promise.  A mutation anywhere in the bytes that changes the canonical octets
of a Reference, of SignedInfo, or the SignatureValue is never accepted.  A neutral one gives the identical verdict
and the identical content.  And nothing but a Rejection of parse ever escapes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.pki import JAN
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, C14N, ENVELOPED, ENVELOPING, QUALIFIED
from broker.errors import Invalid, Rejection
from broker.evidence import Indication, Report
from broker.model import Flaw, Form, FormKey, Valid
from broker.parse import Limits, Parse, read
from broker.validate import Validate
from broker.verify import Verify
from tests.builders import an_envelope
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import AT, DS, FORM, PKI, TRUST

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")
SHAPES: dict[str, Callable[[], bytes]] = {
    "baseline": lambda: sign(FORM, PKI.person, AT, BASELINE),
    "inclusive": lambda: sign(FORM, PKI.person, AT, transforms=(ENVELOPED,), signed_info=C14N, properties=C14N),
    "qualified": lambda: sign(FORM, PKI.person, AT, QUALIFIED),
    "default": lambda: sign(FORM, PKI.person, AT, QUALIFIED, prefix=""),
    "platform": lambda: sign_on_platform(FORM, PKI.platform, JAN, AT),
    "siblings": lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED),
    "enveloping": lambda: sign(FORM, PKI.person, AT, ENVELOPING),
    "counter": lambda: countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT),
    "elliptic": lambda: sign(FORM, PKI.elliptic_person, AT),
}


@cache
def signed(shape: str) -> bytes:
    return SHAPES[shape]()


def outcome(document: bytes) -> tuple[Report, bytes] | None:
    """Judge as intake does; None if parse refuses.  Any other exception is a finding."""
    try:
        parsed = Parse(limits=Limits())(an_envelope(document, received_at=AT))
    except Rejection:
        return None
    done = Verify(trust=lambda: TRUST)(Valid(document=parsed, form=A_FORM))
    return done.report, done.content


@cache
def original(shape: str) -> tuple[Report, bytes]:
    done = outcome(signed(shape))
    assert done is not None
    assert done[0].indication is Indication.PASSED
    return done


def protected(document: bytes, shape: str) -> list[object]:
    """Everything that a signature protects, canonicalised by nobody but lxml on freshly read documents."""
    root = read(document, Limits())
    main = [root] if root.tag == f"{{{DS}}}Signature" else list(root.iterchildren(f"{{{DS}}}Signature"))
    found: list[object] = []
    for signature in main:
        values = signature.find(f"{{{DS}}}SignatureValue")
        assert values is not None
        found += ["".join((values.text or "").split())]
        parts = [
            signature.find(f"{{{DS}}}SignedInfo"),
            *signature.iter("{http://uri.etsi.org/01903/v1.3.2#}SignedProperties"),
        ]
        found += [_octets(part) for part in parts[:2] if part is not None]
    if root in main:
        found += [_octets(held) for held in root.iterchildren(f"{{{DS}}}Object") if held.get("Id")]
        return found
    bare = read(document, Limits())
    for signature in list(bare.iterchildren(f"{{{DS}}}Signature")):
        before = signature.getprevious()
        assert before is not None
        before.tail = (before.tail or "") + (signature.tail or "")
        bare.remove(signature)
    exclusive = shape in ("baseline", "counter", "elliptic")
    found.append(etree.tostring(bare.getroottree(), method="c14n", exclusive=exclusive, with_comments=False))
    return found


def _octets(part: etree._Element) -> bytes:
    return etree.tostring(part, method="c14n", exclusive=True, with_comments=False)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A signed document with bytes replaced, deleted, doubled, swapped or inserted somewhere."""
    shape = draw(st.sampled_from(sorted(SHAPES)))
    data = signed(shape)
    at = draw(st.integers(0, len(data) - 1))
    size = draw(st.integers(0, 40))
    piece = data[at : at + size]
    other = draw(st.integers(0, len(data) - 1))
    new = draw(
        st.one_of(
            st.binary(min_size=1, max_size=3),
            st.sampled_from(
                [b" ", b"<!-- -->", b"A", b"0", b"<a/>", b"</a>", b'Id="x" ', b"&#32;", b"\n", b"=", b"<?p?>"]
            ),
            st.just(piece + piece),
            st.just(data[other : other + size]),
            st.just(b""),
        )
    )
    return shape, data[:at] + new + data[at + size :]


@settings(max_examples=600)
@given(mutations())
def test_nothing_that_is_signed_can_be_changed(mutation: tuple[str, bytes]) -> None:
    shape, document = mutation
    done = outcome(document)
    if done is None or done[0].indication is not Indication.PASSED or not done[0].signatures:
        return
    assert protected(document, shape) == protected(signed(shape), shape)
    report, content = original(shape)
    assert done[1] == content
    assert (done[0].level, done[0].identity) == (report.level, report.identity)


@given(shape=st.sampled_from(sorted(SHAPES)), bit=st.integers(0, 2047), number=st.integers(0, 1))
def test_no_other_signature_value_is_accepted(shape: str, bit: int, number: int) -> None:
    text = signed(shape).decode()
    values = list(re.finditer(r"(<(?:ds:)?SignatureValue [^>]*>)([^<]*)", text))
    if shape == "counter":
        values = [values[0]] if "Countersigned" not in text[: values[0].start()] else [values[-1]]
    found = values[number % len(values)]
    raw = bytearray(base64.b64decode(found[2]))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    changed = text[: found.start(2)] + base64.b64encode(bytes(raw)).decode() + text[found.end(2) :]
    done = outcome(changed.encode())
    assert done is not None
    assert done[0].indication is not Indication.PASSED


@given(shape=st.sampled_from(sorted(SHAPES)), at=st.integers(0, 10_000), new=st.sampled_from("ABQgwx/+=019"))
def test_no_other_spelling_of_a_signature_value_is_accepted(shape: str, at: int, new: str) -> None:
    """Base64 leaves spare bits: a value that only decodes to the same octets is another value."""
    text = signed(shape).decode()
    found = re.search(r"(<(?:ds:)?SignatureValue [^>]*>)([^<]*)", text)
    assert found
    position = found.start(2) + at % len(found[2])
    if text[position] == new:
        return
    done = outcome((text[:position] + new + text[position + 1 :]).encode())
    assert done is not None
    assert done[0].indication is not Indication.PASSED


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_spare_bits_of_base64_make_another_value(shape: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = signed(shape).decode()
    found = re.search(r"SignatureValue Id=\"[^\"]*\">([^<=]*)==<", text)
    assert found
    bare = found[1]
    spare = bare[:-1] + alphabet[alphabet.index(bare[-1]) + 1]
    changed = text.replace(bare, spare, 1)
    assert base64.b64decode(spare + "==") == base64.b64decode(bare + "==")
    done = outcome(changed.encode())
    assert done is not None
    assert done[0].code == "verify.signature-value-malformed"


# ── neutral ──────────────────────────────────────────────────────────────────────────────────────────────

_TAG = re.compile(r"<([A-Za-z][\w.:-]*)((?:\s+[\w.:-]+=\"[^\"]*\")*)\s*(/?)>")
_ATTRIBUTE = re.compile(r'\s+([\w.:-]+)="([^"]*)"')


@given(shape=st.sampled_from(sorted(SHAPES)), pick=st.randoms(use_true_random=False))
def test_writing_the_same_xml_in_another_way_changes_nothing(shape: str, pick: Random) -> None:
    def tag(match: re.Match[str]) -> str:
        attributes = _ATTRIBUTE.findall(match[2])
        pick.shuffle(attributes)
        written = ""
        for name, value in attributes:
            quote = pick.choice("\"'")
            if "'" in value:
                quote = '"'
            spelt = f"&#{ord(value[0])};{value[1:]}" if value[:1].isalnum() and pick.random() < 0.3 else value
            space = pick.choice([" ", "  ", "\n", "\t "])
            equals = pick.choice(["=", " =", "= "])
            written += f"{space}{name}{equals}{quote}{spelt}{quote}"
        end = f"></{match[1]} >" if match[3] and pick.random() < 0.5 else f"{match[3]}>"
        return f"<{match[1]}{written}{pick.choice(['', ' '])}{end}"

    text = signed(shape).decode()
    rewritten = _TAG.sub(tag, text).replace(">100<", "><![CDATA[100]]><").replace("Wniosek", "&#87;niosek")
    assert outcome(rewritten.encode()) == original(shape)


class _Everything:
    """A catalogue in which whatever comes is a form."""

    def find(self, namespace: str, root: str) -> Form:
        return A_FORM

    def flaws(self, form: Form, element: etree._Element) -> tuple[Flaw, ...]:
        return ()


_VALUE = re.compile(r">([^<>&\s][^<>&]*[^<>&\s])<")


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    at=st.integers(0, 10_000),
    cut=st.integers(0, 10_000),
    way=st.sampled_from(["{0}<![CDATA[{1}]]>", "<![CDATA[{0}]]>{1}", "<![CDATA[{0}]]><![CDATA[{1}]]>"]),
)
def test_no_value_is_parted_by_character_data_though_no_digest_tells(shape: str, at: int, cut: int, way: str) -> None:
    text = signed(shape).decode()
    values = list(_VALUE.finditer(text))
    value = values[at % len(values)]
    middle = cut % len(value[1]) if way.startswith("<") else 1 + cut % (len(value[1]) - 1)
    parted = way.format(value[1][:middle], value[1][middle:])
    document = (text[: value.start(1)] + parted + text[value.end(1) :]).encode()
    assert outcome(document) == original(shape)
    with pytest.raises(Invalid) as no:
        Validate(catalogue=_Everything())(Parse(limits=Limits())(an_envelope(document)))
    assert no.value.code == "validate.cdata-in-value"
    assert (
        no.value.place == f"line {text[: value.start(1)].count(chr(10)) + 1 + parted.partition('<!')[0].count(chr(10))}"
    )


@given(
    shape=st.sampled_from(sorted(SHAPES)), encoding=st.sampled_from(["UTF-8", "UTF-16", "ISO-8859-2", "windows-1250"])
)
def test_another_encoding_changes_nothing(shape: str, encoding: str) -> None:
    text = re.sub(r"^<\?xml[^>]*\?>", f'<?xml version="1.0" encoding="{encoding}"?>', signed(shape).decode())
    assert outcome(text.encode(encoding)) == original(shape)


@given(shape=st.sampled_from(sorted(SHAPES)), at=st.integers(0, 10_000))
def test_a_comment_changes_nothing_wherever_it_stands_between_tags(shape: str, at: int) -> None:
    text = signed(shape).decode()
    spots = [match.start() for match in re.finditer(r"(?<=>)\s*<(?![?!])", text)]
    spot = spots[at % len(spots)]
    done = outcome((text[:spot] + "<!-- a comment -->" + text[spot:]).encode())
    assert done is not None
    if done[0].indication is Indication.PASSED:
        assert done == original(shape)


def test_the_serialisation_of_another_library_changes_nothing() -> None:
    for shape in SHAPES:
        root = read(signed(shape), Limits())
        assert outcome(etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)) == original(shape)


# ── nothing else escapes ─────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(REFUSED)), data=st.data())
def test_a_bad_document_made_worse_raises_nothing_but_our_own(name: str, data: st.DataObject) -> None:
    document = _bad(name)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(document) - 1))
        size = data.draw(st.integers(0, 20))
        other = data.draw(st.integers(0, len(document) - 1))
        document = document[:at] + document[other : other + size] + document[at + data.draw(st.integers(0, 20)) :]
        if not document:
            return
    done = outcome(document)
    if done is not None and done[0].signatures and done[0].indication is Indication.PASSED:
        assert done[1]


@cache
def _bad(name: str) -> bytes:
    return REFUSED[name][1]()


@given(der=st.binary(max_size=200), at=st.integers(0, 2000), bit=st.integers(0, 7))
def test_a_broken_certificate_raises_nothing_but_our_own(der: bytes, at: int, bit: int) -> None:
    certificate = bytearray(PKI.person.der)
    certificate[at % len(certificate)] ^= 1 << bit
    for written in (der, bytes(certificate), bytes(certificate) + der):
        text = re.sub(
            b"(<ds:X509Certificate>)[^<]*",
            lambda m, it=written: m[1] + base64.b64encode(it),
            signed("baseline"),
            count=1,
        )
        done = outcome(text)
        assert done is not None
        assert done[0].indication is not Indication.PASSED
