"""What each algorithm that is not taken is called: only those of the standards' own namespaces are known by name."""

import pytest

from broker.verify.algorithms import digest, refused_transform, scheme
from broker.verify.fault import Fault

DS = "http://www.w3.org/2000/09/xmldsig#"
DSIG11 = "http://www.w3.org/2009/xmldsig11#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (DS + "hmac-sha1", "verify.signature-hmac"),
        (MORE + "hmac-md5", "verify.signature-hmac"),
        (MORE + "HMAC-SHA256", "verify.signature-hmac"),
        (MORE + "rsa-md5", "verify.signature-md5"),
        (DS + "rsa-sha1", "verify.signature-sha1"),
        (DS + "dsa-sha1", "verify.signature-sha1"),
        (MORE + "ecdsa-sha1", "verify.signature-sha1"),
        (MORE_2007 + "sha1-rsa-MGF1", "verify.signature-sha1"),
        (DSIG11 + "dsa-sha256", "verify.signature-dsa"),
        (MORE + "ecdsa-ripemd160", "verify.signature-algorithm-unknown"),
        ("http://example.test/#hmac-sha1", "verify.signature-algorithm-unknown"),
        ("http://example.test/#rsa-md5", "verify.signature-algorithm-unknown"),
        ("http://example.test/#rsa-sha1", "verify.signature-algorithm-unknown"),
        ("urn:x#dsa", "verify.signature-algorithm-unknown"),
        (MORE + "rsa-SHA256", "verify.signature-algorithm-unknown"),
        ("", "verify.signature-algorithm-unknown"),
    ],
)
def test_a_signature_algorithm_that_is_not_taken_is_called_by_its_name(uri, code):
    with pytest.raises(Fault) as caught:
        scheme(uri)
    assert (caught.value.code, caught.value.place) == (code, "")


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (DS + "sha1", "verify.digest-sha1"),
        (MORE + "md5", "verify.digest-md5"),
        ("http://www.w3.org/2001/04/xmlenc#ripemd160", "verify.digest-unknown"),
        (DS + "md5", "verify.digest-unknown"),
        ("", "verify.digest-unknown"),
    ],
)
def test_a_digest_that_is_not_taken_is_called_by_its_name(uri, code):
    with pytest.raises(Fault) as caught:
        digest(uri)
    assert caught.value.code == code


def test_a_transform_that_nobody_knows_is_called_unknown():
    assert refused_transform("urn:x").code == "verify.transform-unknown"
    assert refused_transform(DS + "base64").code == "verify.transform-base64"
