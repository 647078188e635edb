"""Whom a list has let go leads to none of the anchors of lists above, by whatever certificate of its key a path goes."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from adapters.testkit.certificates import Credential, key
from adapters.testkit.tsa import unit
from broker.verify import Anchor, TrustSnapshot, path
from broker.verify.certificate import load, spki
from broker.verify.fault import Fault
from tests.revocation import CA, DAY, PERSON, ROOT
from tests.unit.verify.test_verify_path_attacks import AT, made, person, trusting, verdict
from tests.unit.verify.test_verify_path_order import SECOND, listed, renewed

LAST = AT - 10 * DAY
"""Until just before then it was granted."""


def granted(of: Credential) -> Anchor:
    return listed(of.certificate, "granted", AT - 900 * DAY, AT + 900 * DAY)


def withdrawn(of: Credential) -> Anchor:
    return listed(of.certificate, "withdrawn", AT - 900 * DAY, LAST)


def written(text: _ASN1Type, common_name: str = "Let go") -> Credential:
    """An authority of one key, and its name, written in one way of several."""
    own = key("let go", "ec-256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _type=text)])
    about = {"not_before": AT - 100 * DAY, "not_after": AT + 100 * DAY, "usage": ("key_cert_sign", "crl_sign")}
    return ROOT.issue(name, own, ca=True, **about)


UTF8, PRINTABLE, RENAMED = (
    written(_ASN1Type.UTF8String),
    written(_ASN1Type.PrintableString),
    written(_ASN1Type.UTF8String, "Let go and renamed"),
)


@pytest.mark.parametrize("held", [UTF8, PRINTABLE, RENAMED], ids=["same", "other-string", "other-name"])
@pytest.mark.parametrize("beside", [UTF8, PRINTABLE, RENAMED], ids=["same", "other-string", "other-name"])
def test_an_authority_is_let_go_however_its_name_is_written_beside_the_signature(
    held: Credential, beside: Credential
) -> None:
    signer = made("JAN TESTOWY", beside, ca=False)
    above = granted(ROOT.credential)
    assert verdict(signer, beside, trust=TrustSnapshot(anchors=(above,))) == "good"
    assert verdict(signer, beside, trust=TrustSnapshot(anchors=(above, withdrawn(held)))) == "verify.chain-untrusted"
    # What an operator trusts is his to say: above it, and the key itself.
    assert verdict(signer, beside, trust=TrustSnapshot(anchors=(*trusting(ROOT.credential).anchors, withdrawn(held)))) == "good"  # fmt: skip
    own = Anchor(certificate=held.certificate, name="operator's")
    assert verdict(signer, beside, trust=TrustSnapshot(anchors=(above, withdrawn(held), own))) == "good"


def test_an_authority_that_is_granted_again_or_under_a_new_certificate_of_its_key_is_not_let_go() -> None:
    own, above = CA.credential, granted(ROOT.credential)
    new = renewed(own, AT - 200 * DAY, AT + 900 * DAY)
    again = listed(own.certificate, "again", AT, AT + DAY)
    renewal = listed(new, "renewed", AT, AT + DAY)
    for other in (again, renewal):
        trust = TrustSnapshot(anchors=(above, withdrawn(own), other))
        moments = (LAST - SECOND, LAST, AT - SECOND, AT, AT + DAY - SECOND, AT + DAY)
        found = [verdict(PERSON, own, trust=trust, at=at) for at in moments]
        gone = "verify.chain-untrusted"
        assert found == ["good", gone, gone, "good", "good", gone]


def test_of_a_unit_that_is_listed_itself_no_stamp_counts_once_it_was_let_go_whoever_is_above_it() -> None:
    stamper = unit(CA, AT, role="let go unit")
    above = granted(CA.credential)

    def told(*anchors: Anchor) -> str:
        try:
            return path.find(load(stamper.der), (), TrustSnapshot(anchors=anchors), AT, stamps=True).anchor.name
        except Fault as fault:
            return fault.code

    assert told(above) == "granted"
    assert told(withdrawn(stamper)) == told(above, withdrawn(stamper)) == told(withdrawn(stamper), above)
    assert told(above, withdrawn(stamper)) == "verify.chain-untrusted"
    assert told(withdrawn(stamper), Anchor(certificate=CA.credential.certificate, name="operator's")) == "operator's"
    new = CA.issue(stamper.certificate.subject, stamper.key, not_before=AT - DAY, not_after=AT + DAY)
    assert told(withdrawn(stamper), listed(new.certificate, "renewed", AT, AT + DAY), above) == "granted"


def test_a_key_is_written_in_one_way() -> None:
    signer = person(ROOT.credential)
    assert spki(UTF8.certificate) == spki(PRINTABLE.certificate) == spki(RENAMED.certificate)
    assert len({spki(it.certificate) for it in (UTF8, signer, ROOT.credential, CA.credential)}) == 4
