"""Documents with signatures that cost as much as may be: much that is signed, often, by many."""

from __future__ import annotations

from functools import partial

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import C14N, C14N11, ENVELOPING, EXCLUSIVE, QUALIFIED
from tests.corpus.world import AT
from tests.hostile.forging import (
    ALL,
    APPLICATION,
    DIGESTS,
    END,
    MISMATCH,
    PKI,
    application,
    forged,
    reference,
    with_signatures,
)
from tests.hostile.shapes import ELEMENTS, FULL, Shape, letter, many
from tests.hostile.shapes import shape as entered

SIGNED: dict[str, Shape] = {}
shape = partial(entered, table=SIGNED)

# ── much that is signed ──


@shape("31 MB of Base64, signed", "")
def signed_attachment(weight: float) -> bytes:
    return sign(letter(attachment=b"QUJD" * int(FULL * weight / 4)), PKI.person, AT, QUALIFIED)


@shape("31 MB of >, signed", "")
def signed_greater(weight: float) -> bytes:
    return sign(letter(b">" * int(FULL * weight)), PKI.person, AT, QUALIFIED)


@shape("29,000 elements, signed", "")
def signed_elements(weight: float) -> bytes:
    content = letter(information=many(b"<wnio:Informacja>x</wnio:Informacja>", weight, ELEMENTS - 500))
    return sign(content, PKI.person, AT, QUALIFIED)


@shape("29,000 elements in an enveloping signature", "")
def enveloping(weight: float) -> bytes:
    content = letter(information=many(b"<wnio:Informacja>x</wnio:Informacja>", weight, ELEMENTS - 500))
    return sign(content, PKI.person, AT, ENVELOPING)


@shape("a changed letter of 31 MB", MISMATCH)
def changed(weight: float) -> bytes:
    return sign(letter(b"x" * int(FULL * weight)), PKI.person, AT).replace(b"nocy", b"Nocy", 1)


@shape("a changed letter of 20,000 elements in 330 kB", MISMATCH)
def changed_small(weight: float) -> bytes:
    return sign(letter(many(b"<a>\n</a>", weight, 20_000)), PKI.person, AT).replace(b"nocy", b"Nocy", 1)


# ── many References ──


@shape("20 References each to the whole of 31 MB", MISMATCH)
def wholes(weight: float) -> bytes:
    references = (reference(prefixes=f"p{each}", digest=DIGESTS[each % 3]) for each in range(18))
    return with_signatures(letter(b"x" * int(FULL * weight)), forged(0, *references))


@shape("20 References each to the whole of 29,000 elements", MISMATCH)
def wholes_of_elements(weight: float) -> bytes:
    references = (reference(prefixes=f"p{each}") for each in range(18))
    content = letter(information=many(b"<wnio:Informacja>x</wnio:Informacja>", weight, ELEMENTS))
    return with_signatures(content, forged(0, *references))


def _ids(weight: float, how: str) -> bytes:
    content = many(b"<b/>", weight, ELEMENTS - 500)
    for each in range(18):
        content = b'<a Id="a%d">%s</a>' % (each, content)
    return with_signatures(letter(content), forged(0, *(reference(f"#a{each}", "", how) for each in range(18))))


@shape("18 References to parts that hold each other, exclusively", MISMATCH)
def parts(weight: float) -> bytes:
    return _ids(weight, EXCLUSIVE)


@shape("18 References to parts that hold each other, inclusively", MISMATCH)
def parts_inclusively(weight: float) -> bytes:
    return _ids(weight, C14N)


@shape("400 References to one part of 31 MB", MISMATCH)
def one_part(weight: float) -> bytes:
    content = b'<a Id="a0">' + b"x" * int(FULL * weight) + b"</a>"
    references = [reference("#a0", "", (C14N, C14N11, EXCLUSIVE)[each % 3]) for each in range(18)]
    return with_signatures(letter(content), *(forged(each, *references) for each in range(20)))


@shape("1,000 References", "verify.too-many-references")
def thousand(weight: float) -> bytes:
    return with_signatures(letter(), forged(0, reference() * max(int(1_000 * weight), 30)))


@shape("2,500 References", "verify.too-many-references")
def thousands(weight: float) -> bytes:
    return with_signatures(letter(), forged(0, reference() * max(int(2_500 * weight), 30)))


# ── many signatures ──


@shape("20 sibling signatures, each left out of its own octets, 29,000 elements", MISMATCH)
def siblings(weight: float) -> bytes:
    content = letter(information=many(b"<wnio:Informacja>x</wnio:Informacja>", weight, ELEMENTS - 2_000))
    return with_signatures(content, *(forged(each, reference(how=C14N)) for each in range(20)))


@shape("20 siblings behind 19,000 comments, 20 References each", MISMATCH)
def behind_comments(weight: float) -> bytes:
    references = [reference(steps=ALL)] * 18
    content = letter().replace(END, b"<!---->" * int(19_000 * weight) + END)
    return with_signatures(content, *(forged(each, *references) for each in range(20)))


@shape("20 siblings behind 26,000 elements, 20 References each", MISMATCH)
def behind_elements(weight: float) -> bytes:
    references = [reference(steps=ALL)] * 18
    content = application(many(b"<a/>", weight, 26_000))
    return with_signatures(content, *(forged(each, *references) for each in range(20)), end=APPLICATION)


@shape("20 siblings with 1.5 MB of text behind each", MISMATCH)
def tails(weight: float) -> bytes:
    tail = b"x" * int(1_500_000 * weight)
    return with_signatures(
        application(b""), *(forged(each, reference(steps=ALL)) + tail for each in range(20)), end=APPLICATION
    )


@shape("20 true signatures", "")
def true_ones(weight: float) -> bytes:
    document = letter()
    for _ in range(max(int(20 * weight), 2)):
        document = sign(document, PKI.person, AT, QUALIFIED)
    return document


@shape("19 counter-signatures", "")
def counters(weight: float) -> bytes:
    document = sign(letter(), PKI.person, AT)
    for _ in range(max(int(19 * weight), 2)):
        document = countersign(document, PKI.person, AT)
    return document


@shape("1,000 signatures", "verify.too-many-signatures")
def thousand_signatures(weight: float) -> bytes:
    return with_signatures(letter(), *(forged(each) for each in range(max(int(1_000 * weight), 30))))
