"""Values as they are written, and the one value that stands for an ECDSA signature."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from adapters.testkit.certificates import key
from broker.verify.algorithms import Scheme
from broker.verify.fault import Fault
from broker.verify.signature_value import _ORDERS, check, holds, lesser
from broker.verify.written import decoded, moment


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
        ("0001-01-01T00:00:00+01:00", None),
        ("yesterday", None),
    ],
)
def test_a_moment_has_a_zone_and_is_told_in_utc(written, at):
    found = moment(written)
    assert found == at
    assert found is None or found.tzinfo is UTC


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
