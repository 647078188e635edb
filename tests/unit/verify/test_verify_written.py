"""Values as they are written, and the one value that stands for an ECDSA signature."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.certificates import key
from broker.verify.algorithms import Scheme
from broker.verify.fault import Fault
from broker.verify.signature_value import _ORDERS, check, holds, lesser
from broker.verify.written import Span, decoded, moment, span


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        ("QUJD", b"ABC"),
        (" Q U\nJ\tD ", b"ABC"),
        ("QUI=", b"AB"),
        ("QUJ=", None),
        ("QUI", None),
        ("Q", None),
        ("", None),
        ("QU-D", None),
        ("QUI=QUI=", None),
        ("ＱＵＪＤ", None),
    ],
)
def test_only_canonical_base64_is_a_value_white_space_apart(written, octets):
    assert decoded(written) == octets


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (" 2026-01-01T13:00:00+01:00\n", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00", None),
        ("2026-01-01", None),
        ("2026-01-01T12:00:00.5Z", datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-01T12:00:00.12345678901234567890Z", datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2025-12-31T24:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2025-12-31T24:00:00.000-00:30", datetime(2026, 1, 1, 0, 30, tzinfo=UTC)),
        ("2026-01-01T12:00:00+14:00", datetime(2025, 12, 31, 22, tzinfo=UTC)),
        ("2026-01-01T12:00:00-14:00", datetime(2026, 1, 2, 2, tzinfo=UTC)),
        ("2026-01-01T12:00:00+13:59", datetime(2025, 12, 31, 22, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000001Z", datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999998Z", datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.999999Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T24:00:00Z", None),
        ("10000-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_a_moment_has_a_zone_and_is_told_in_utc(written, at):
    found = moment(written)
    assert found == at
    assert found is None or found.tzinfo is UTC


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
HALF = timedelta(hours=14)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "earliest", "latest"),
    [
        ("2026-01-01T12:00:00Z", NOON, NOON),
        ("2026-01-01T12:00:00", NOON - HALF, NOON + HALF),
        ("2026-01-01T24:00:00", NOON - HALF / 7, NOON + HALF + timedelta(hours=12)),
        ("99999-01-01T00:00:00Z", LAST, LAST),
        ("10000-02-29T00:00:00", LAST, LAST),
        ("1" * 5000 + "-01-01T00:00:00Z", LAST, LAST),
        ("-0044-03-15T00:00:00Z", FIRST, FIRST),
        ("-0004-02-29T00:00:00Z", FIRST, FIRST),
        ("-123456-03-15T00:00:00Z", FIRST, FIRST),
        ("0000-02-29T00:00:00Z", FIRST, FIRST),
        ("9999-12-31T24:00:00Z", LAST, LAST),
        ("9999-12-31T12:00:00-14:00", LAST, LAST),
        ("9999-12-31T12:00:00", datetime(9999, 12, 30, 22, tzinfo=UTC), LAST),
        ("0001-01-01T12:00:00", FIRST, datetime(1, 1, 2, 2, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", FIRST, FIRST),
        ("\t2026-01-01T12:00:00Z\r\n", NOON, NOON),
    ],
)
def test_every_moment_that_a_schema_knows_is_read_and_without_a_zone_it_may_be_any(written, earliest, latest):
    assert span(written) == Span(earliest, latest)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "yesterday",
        "2026-01-01",
        "12:00:00Z",
        "2026-01-01 12:00:00Z",
        "20260101T120000Z",
        "2026-1-1T12:00:00Z",
        "2026-01-01t12:00:00z",
        "2026-01-01T12:00Z",
        "2026-01-01T12:00:60Z",
        "2026-01-01T12:60:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T24:00:01Z",
        "2026-01-01T24:00:00.1Z",
        "2026-01-01T12:00:00.Z",
        "2026-01-01T12:00:00,5Z",
        "2026-01-01T12:00:00+14:01",
        "2026-01-01T12:00:00+15:00",
        "2026-01-01T12:00:00+01:60",
        "2026-01-01T12:00:00+0100",
        "2026-01-01T12:00:00+01",
        "2026-00-01T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-00T12:00:00Z",
        "2026-01-32T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "99999-02-29T00:00:00Z",
        "-0001-02-29T00:00:00Z",
        "026-01-01T12:00:00Z",
        "02026-01-01T12:00:00Z",
        "+2026-01-01T12:00:00Z",
        "２０２６-01-01T12:00:00Z",
        "\u00a02026-01-01T12:00:00Z",
        "2026-W01-4T12:00:00Z",
    ],
)
def test_what_a_schema_knows_not_is_no_moment(written):
    assert (span(written), moment(written)) == (None, None)


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_whatever_moment_is_written_is_read_as_it_was_meant(at, zone):
    said = f"{abs(zone) // 60:02}:{abs(zone) % 60:02}"
    found = span(f"{at.isoformat()}{'-' if zone < 0 else '+'}{said}")
    try:
        meant = (at - timedelta(minutes=zone)).replace(tzinfo=UTC)
    except OverflowError:
        meant = LAST if zone < 0 else FIRST
    assert found == Span(meant, meant)
    anywhere = span(at.isoformat())
    assert anywhere.earliest <= meant <= anywhere.latest


CURVES = {"ec-256": 32, "ec-384": 48, "ec-521": 66}


@pytest.mark.parametrize("kind", CURVES)
def test_of_the_two_values_of_a_signature_the_lesser_counts(kind):
    own, size = key("lesser", kind), CURVES[kind]
    order = _ORDERS[own.curve.name]
    r, s = decode_dss_signature(own.sign(b"x", ec.ECDSA(hashes.SHA256())))
    first = r.to_bytes(size, "big")
    both = [first + it.to_bytes(size, "big") for it in (s, order - s)]
    scheme = Scheme("ecdsa", hashes.SHA256())
    assert all(holds(own.public_key(), scheme, value, b"x") for value in both)
    least = first + min(s, order - s).to_bytes(size, "big")
    assert [lesser(own.public_key(), value) for value in both] == [least, least]
    for odd in (0, order, order + 1):
        assert lesser(own.public_key(), first + odd.to_bytes(size, "big")) is None
    for edge in (1, order - 1):
        assert lesser(own.public_key(), first + edge.to_bytes(size, "big")) == first + (1).to_bytes(size, "big")
    for wrong in (b"", both[0] + b"\x00", both[0][:-1], both[0] + first):
        assert lesser(own.public_key(), wrong) is None


def test_of_an_rsa_value_there_is_but_one_and_of_another_curve_nothing_can_be_told():
    assert lesser(key("lesser").public_key(), b"x") == b"x"
    other = ec.generate_private_key(ec.SECP224R1()).public_key()
    assert lesser(other, bytes(27) + b"\x01" + bytes(27) + b"\x01") is None


def test_what_the_library_cannot_do_is_a_key_that_does_not_fit():
    own = key("lesser").public_key()
    with pytest.raises(Fault) as caught:
        check(own, Scheme("rsa", hashes.BLAKE2b(64)), bytes(256), b"x")
    assert caught.value.code == "verify.key-mismatch"
    for kind, value in (("ecdsa", own), ("rsa", key("lesser", "ec-256").public_key())):
        with pytest.raises(Fault) as caught:
            check(value, Scheme(kind, hashes.SHA256()), bytes(256), b"x")
        assert caught.value.code == "verify.key-mismatch"


@pytest.mark.parametrize("bits", [17, 32, 33, 2047])
def test_a_key_with_an_exponent_that_no_real_key_has_is_not_checked_with(bits):
    own = key("exponents", f"rsa-2048-{bits}")
    assert own.public_key().public_numbers().e.bit_length() == bits
    value = own.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
    scheme = Scheme("rsa", hashes.SHA256())
    assert holds(own.public_key(), scheme, value, b"x") == (bits <= 32)
    if bits > 32:
        with pytest.raises(Fault) as caught:
            check(own.public_key(), scheme, value, b"x")
        assert caught.value.code == "verify.key-short"


def test_a_value_in_der_where_two_numbers_belong_is_told_apart_from_a_wrong_one():
    own = key("lesser", "ec-256")
    scheme = Scheme("ecdsa", hashes.SHA256())
    der = own.sign(b"x", ec.ECDSA(hashes.SHA256()))
    for value, code in (
        (der, "verify.signature-value-encoding"),
        (b"\x31" + bytes(64), "verify.signature-value-mismatch"),
        (bytes(63), "verify.signature-value-mismatch"),
        (bytes(64), "verify.signature-value-mismatch"),
    ):
        with pytest.raises(Fault) as caught:
            check(own.public_key(), scheme, value, b"x")
        assert caught.value.code == code
