"""However a program writes a distinguished name, it is recognised; another name is not."""

from __future__ import annotations

import re
import time

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from broker.verify import xades
from broker.verify.issuer_name import LONGEST, names
from tests.corpus.verify.scene import AT, FORM, PKI, judged

ISSUER = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "PL"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Urząd, "Próbny" + Spółka'),
        x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "VATPL-5250000009"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Próbny  CA"),
    ]
)


@pytest.mark.parametrize(
    "written",
    [
        ISSUER.rfc4514_string(),
        r"CN=Próbny CA,organizationIdentifier=VATPL-5250000009,O=Urząd\, \"Próbny\" \+ Spółka,C=PL",
        r'C=PL, O="Urząd, \"Próbny\" + Spółka", 2.5.4.97=VATPL-5250000009, CN=próbny ca',
        r"CN=Pr\C3\B3bny CA,OID.2.5.4.97=#0c1056415450 4c2d35323530303030303039,O=Urząd\2C \22Próbny\22 \2B Spółka,C=PL".replace(
            " 4c", "4c"
        ),
        '\n  CN=Próbny CA;\n  2.5.4.97=VATPL-5250000009+O=Urząd\\, \\"Próbny\\" \\+ Spółka;\n  C=PL\n',
    ],
)
def test_the_usual_ways_of_writing_a_name_are_recognised(written: str) -> None:
    assert names(written, ISSUER)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "alamakota",
        "CN=Próbny CA",
        ISSUER.rfc4514_string() + ",C=PL",
        ISSUER.rfc4514_string().replace("PL-", "PL"),
        "C=#zz",
        "C=\\FF",
        "=" * 5000,
    ],
)
def test_another_name_is_not(written: str) -> None:
    assert not names(written, ISSUER)


def one(value: str | bytes) -> x509.Name:
    if isinstance(value, bytes):
        return x509.Name([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, value, _type=_ASN1Type.BitString)])
    return x509.Name([x509.NameAttribute(NameOID.TITLE, value, _validate=False)])


@pytest.mark.parametrize(
    ("written", "issuer", "same"),
    [
        ("2.5.4.45=abc", one(b"abc"), True),
        ("2.5.4.45=ab\\C3\\BF", one(b"ab\xff"), True),
        ("CN=A B", one("a  b"), True),
        ("CN=AXX XXB", one("A B"), False),
        ("CN=#0c0141", one("A"), True),
        ("CN=#0c014100", one("A"), False),
        ("CN=#020141", one("A"), False),
        ("CN=#0500", one(" "), False),
        ("CN=#zz", one("#zz"), False),
        ("CN=#0c02c485", one("ą"), True),
        ("CN=#130141", one("A"), True),
        ("CN=#1402c485", one("ą"), True),
        ("CN=#160141", one("A"), True),
        ("CN=#1c0400000105", one("ą"), True),
        ("CN=#1e020105", one("ą"), True),
        ("CN=#0c0c0161", one("\x01a"), False),  # cut off
        ("CN=#0c01ff", one("ÿ"), False),
        ("CN=#1e0141", one("A"), False),
        ("CN=#4c0141", one("A"), False),  # of a class of somebody's own
        ("CN=#8c0141", one("A"), False),
        ("CN=#2c030c0141", one("A"), False),  # in pieces, as DER has no string
        ("CN=#2c030c0141", one("\x0c\x01A"), False),
        ("CN=#180f32303236303130313030303030305a", one("20260101000000Z"), False),  # a moment
        ("CN=#1a0141", one("A"), False),  # VisibleString is in no name
        (r"CN=\\00", one(r"\00"), True),  # an escaped backslash, and two digits
        (r"CN=\\\41", one("\\A"), True),
        (r"CN=\5c00", one(r"\00"), True),
        (r"CN=\41\\41", one(r"A\41"), True),
        ('CN="A', one("A"), False),
        ("CN=A\\", one("A"), False),
        ("CN=A", one("A"), True),
        ("CN=A,", one("A"), True),
        ("CN=A,,", one("A"), False),
        ("CN=" + "x" * (LONGEST - 3), one("x" * (LONGEST - 3)), True),
        ("CN=" + "x" * (LONGEST - 2), one("x" * (LONGEST - 2)), False),
    ],
)
def test_a_value_is_what_it_says_however_it_is_spelt(written: str, issuer: x509.Name, same: bool) -> None:
    assert names(written, issuer) is same


@given(st.text(max_size=200))
def test_no_text_makes_it_raise(written: str) -> None:
    names(written, ISSUER)


@given(st.binary(max_size=40))
@example(bytes.fromhex("0900"))  # a REAL, and an ObjectDescriptor, of which a library knows no value
@example(bytes.fromhex("0700"))
@example(bytes.fromhex("0800"))
@example(bytes.fromhex("0300"))  # a BIT STRING without its first octet
@example(bytes.fromhex("3080" * 2000))
def test_no_octets_written_in_hexadecimal_make_it_raise(der: bytes) -> None:
    assert not names(f"CN=#{der.hex()}", ISSUER)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=16))
def test_what_the_library_writes_for_a_name_is_recognised(value: str) -> None:
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value), x509.NameAttribute(NameOID.COUNTRY_NAME, "PL")])
    assert names(issuer.rfc4514_string(), issuer)


@pytest.mark.parametrize(
    "written",
    [" " * 4000 + "!", "CN=" + " " * 4000 + '"x', "a" + " " * 4000 + "!", " =" * 2000, 'CN="' + "\\" * 4000],
    ids=["spaces", "spaces-in-value", "spaces-in-type", "empty", "escapes"],
)
def test_no_writing_of_a_name_keeps_the_reader_busy(written: str) -> None:
    """The clock is the processor's, and the bound a thousand times what it takes: 4,000 spaces once took minutes."""
    began = time.process_time()
    assert not names(written, ISSUER)
    assert time.process_time() - began < 10


def test_what_is_too_long_for_a_name_is_not_remembered() -> None:
    before = xades._names_issuer.cache_info().currsize
    long = "CN=" + "x" * LONGEST
    document = sign(
        FORM,
        PKI.person,
        AT,
        QUALIFIED,
        rewrite=lambda text: re.sub("(<ds:X509IssuerName>)[^<]*", rf"\g<1>{long}", text),
    )
    assert judged(document).code == "verify.signing-certificate-issuer"
    assert xades._names_issuer.cache_info().currsize == before
