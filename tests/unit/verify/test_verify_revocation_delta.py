"""Lists of changes: which are read together with which list, and that no other makes anything fresh (RFC 5280 §5.2.4)."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest
from asn1crypto import core
from asn1crypto import x509 as asn1
from cryptography import x509

from adapters.testkit.certificates import Authority
from adapters.testkit.pki import JAN
from broker.verify import revocation_list
from broker.verify.certificate import load
from broker.verify.fetched import Listed, Raw
from broker.verify.revocation import Evidence, judge
from broker.verify.revocation_delta import together
from broker.verify.settlement import _LARGEST_ODD, Settled, settle
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, path_of, serial

PATH = path_of(PERSON)
SIGNER = PATH.certificates[0].report.sha256
STRANGER = Authority.root("Goniec Test Meddler", AT).credential
REVOKED = {serial(PERSON): (AT - DAY, "key_compromise")}
URL, OTHER_URL = "http://example.test/1.crl", "http://example.test/2.crl"


def _point(url: str) -> asn1.DistributionPointName:
    names = [asn1.GeneralName(name="uniform_resource_identifier", value=url)]
    return asn1.DistributionPointName(name="full_name", value=names)


IDENTIFIER = {
    "extn_id": "authority_key_identifier",
    "critical": False,
    "extn_value": {"key_identifier": asn1.Certificate.load(CA.credential.der).key_identifier_value.native},
}
FRESHEST = {
    "extn_id": "freshest_crl",
    "critical": False,
    "extn_value": [{"distribution_point": _point("http://example.test/d.crl")}],
}
UNKNOWN = {"extn_id": "1.2.3.4.5", "critical": True, "extn_value": core.ParsableOctetString(b"\x05\x00")}


def since(number: int) -> dict[str, object]:
    """What makes a list one of changes since the list of a number."""
    return {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": number}


def scope(url: str) -> dict[str, object]:
    return {
        "extn_id": "issuing_distribution_point",
        "critical": True,
        "extn_value": {"distribution_point": _point(url)},
    }


def base(revoked=None, *, days: int = 20, more=(), names: bool = True, **about) -> bytes:
    extensions = [*([FRESHEST] if names else []), IDENTIFIER, *more]
    return a_list(
        CA.credential, revoked, **{"begin": AT - days * DAY, "end": AT + 10 * DAY, "extensions": extensions, **about}
    )


def changes(revoked=None, *, number: int = 2, of: int = 1, more=(), **about) -> bytes:
    extensions = [since(of), IDENTIFIER, *more]
    return a_list(CA.credential, revoked, **{"number": number, "extensions": extensions, **about})


def settled(*crls: bytes, path=PATH, beside=()) -> Settled:
    raws = [Raw(octets=it, url=f"u{number}") for number, it in enumerate(crls)]
    above = Raw(octets=a_list(ROOT.credential))
    return settle(path.chain, crls=[*raws, above], beside=beside, at=AT, freshness=36 * HOUR)


def verdict(*crls: bytes, path=PATH) -> str:
    (signer, _) = judge(path, Evidence().adding(settled(*crls, path=path)), REQUIRE, AT)
    return signer.status


def test_a_list_is_as_new_as_the_changes_that_belong_to_it() -> None:
    assert verdict(base()) == "stale"
    assert verdict(base(), changes()) == "good"
    assert verdict(changes(), base()) == "good"
    assert verdict(base(), changes(REVOKED)) == "revoked"
    assert verdict(base(REVOKED), changes()) == "revoked"
    lifted = {serial(PERSON): (AT - DAY, "remove_from_crl")}
    held = {serial(PERSON): (AT - 20 * DAY, "certificate_hold")}
    assert verdict(base(held), changes(lifted)) == "good"
    found = settled(base(), changes())
    assert [it.certificate for it in found.statuses] == [SIGNER]
    (status,) = found.statuses
    assert (status.this_update, status.produced_at, status.url) == (AT - HOUR, AT - HOUR, "u0 u1")
    assert status.digest == hashlib.sha256(base() + changes()).hexdigest()


@pytest.mark.parametrize(
    "foreign",
    [
        partial(changes, of=2, number=3),  # since a newer list: what was revoked between the two stands in neither
        partial(changes, by=STRANGER),
        partial(changes, number=None),
        partial(changes, algorithm="sha1"),
        partial(changes, more=[scope(URL)]),
        partial(changes, more=[{**since(1), "extn_id": "crl_number"}]),  # a number twice: not read
    ],
    ids=["of-a-newer-list", "by-a-stranger", "without-a-number", "weak", "of-a-part", "unreadable"],
)
def test_changes_that_belong_to_no_list_make_none_fresh_and_take_none_away(foreign) -> None:
    assert verdict(base(), foreign()) == "stale"
    assert verdict(base(REVOKED), foreign()) == "revoked"
    assert verdict(base(days=1), foreign()) == "good"
    assert settled(base(), foreign()) == settled(base())
    assert settled(base(), foreign(), changes(number=9)).statuses[0].url == "u0 u2"


def test_changes_may_be_as_new_as_their_list_and_no_older() -> None:
    assert verdict(base(number=5), changes(of=5, number=5)) == "good"
    assert verdict(base(number=5), changes(of=4, number=5)) == "good"
    assert verdict(base(number=5), changes(of=4, number=4)) == "stale"
    assert verdict(base(number=5), changes(of=6, number=6)) == "stale"
    assert verdict(base(number=None), changes(of=0, number=1)) == "stale"


def test_a_list_that_names_no_changes_has_none() -> None:
    assert verdict(base(names=False), changes()) == "stale"
    assert verdict(base(names=False), changes(REVOKED)) == "stale"


def test_of_several_changes_the_newest_counts() -> None:
    one, two = changes(number=2, begin=AT - 2 * HOUR), changes(REVOKED, number=3, begin=AT - HOUR)
    assert verdict(base(), one, two) == verdict(base(), two, one) == "revoked"
    assert settled(base(), one, two).statuses[0].url == "u0 u2"


def test_where_changes_belong_to_the_newest_list_older_ones_tell_nothing_more() -> None:
    """A revocation from between the two lists: changes to the newer do not make the older one good."""
    older, newer = base(number=1), base(REVOKED, number=5, days=4)
    for lists in ((older, newer), (newer, older)):
        assert verdict(*lists, changes(of=5, number=6)) == "revoked"
    held = base({serial(PERSON): (AT - 20 * DAY, "certificate_hold")}, number=1)
    assert verdict(held, base(number=5, days=4), changes(of=5, number=6)) == "good"
    # Where they belong to the older one alone, both lists stay, and the newer counts as it is.
    assert verdict(older, newer, changes(of=1, number=2)) == "revoked"
    assert verdict(held, base(number=5, days=1), changes(of=1, number=2)) == "good"


def test_changes_to_one_part_make_no_other_part_fresh() -> None:
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(URL)], None, None, None)]
    )
    person = PKI.personal(CA, JAN, extras=[(points, False)])
    path = path_of(person)
    own = base(more=[scope(URL)])
    assert verdict(own, changes(more=[scope(URL)]), path=path) == "good"
    # A part names its changes, and they are not here: it is not known what changed since.
    other = base(more=[scope(OTHER_URL)]), changes(more=[scope(OTHER_URL)])
    assert verdict(own, *other, path=path) == "unknown"
    plain_part = base(more=[scope(URL)], names=False)
    assert verdict(plain_part, path=path) == "stale"
    assert verdict(plain_part, *other, path=path) == "stale"
    assert verdict(plain_part, changes(by=STRANGER, more=[scope(URL)]), path=path) == "stale"
    both = settled(own, changes(more=[scope(URL)]), *other, path=path).statuses
    assert both[0].this_update == AT - HOUR


def test_whoever_else_signs_lists_for_an_issuer_signs_their_changes_too() -> None:
    def listed(octets: bytes) -> Listed:
        parsed = revocation_list.load(octets)
        assert parsed is not None
        return Listed(raw=Raw(octets=octets), parsed=parsed)

    helper = Authority(credential=ROOT.issue(
        CA.credential.certificate.subject, STRANGER.key, not_before=AT - DAY, not_after=AT + DAY, ca=True,
        usage=("crl_sign",),
    ))  # fmt: skip
    own, by_helper = listed(base()), listed(base(by=STRANGER, days=9))
    their = listed(changes(by=STRANGER))
    issuers = [load(CA.credential.der), load(helper.credential.der)]
    one, other = together([own, by_helper, their], issuers)
    assert (one.changes, other.changes) == (None, their)
    assert (one.parts, other.parts) == ((own,), (other, their))
    assert (one.as_of, other.as_of) == (AT - 20 * DAY, AT - HOUR)
    assert together([own, by_helper, their], issuers[:1]) == [own, by_helper]
    assert together([own, by_helper], issuers) == [own, by_helper]
    assert together([their], issuers) == []
    # For who settles, those beside count as well; what is no certificate is passed over.
    gone = changes(REVOKED, by=STRANGER)
    (status,) = settled(by_helper.raw.octets, gone, beside=[helper.credential.der]).statuses
    assert (status.certificate, status.reason) == (SIGNER, "keyCompromise")
    assert settled(by_helper.raw.octets, gone).statuses == ()
    assert settled(base(), changes(), beside=[b"rubbish"]).lists == settled(base(), changes()).lists


def test_changes_that_are_too_large_to_be_read_leave_their_list_unread() -> None:
    def filled(size: int) -> bytes:
        much = b"\x04\x84" + size.to_bytes(4, "big") + bytes(size)
        filler = {"extn_id": "1.2.3.4.6", "critical": False, "extn_value": core.ParsableOctetString(much)}
        return changes(more=[filler])

    around = len(filled(_LARGEST_ODD)) - _LARGEST_ODD
    for size, says in ((_LARGEST_ODD - around, "good"), (_LARGEST_ODD - around + 1, "unknown")):
        assert verdict(base(days=1), filled(size)) == says


def test_changes_that_are_not_understood_leave_their_list_unread() -> None:
    other = {serial(PERSON) + 1: (AT - DAY, "superseded")}
    assert verdict(base(days=1), changes(other)) == "good"
    assert verdict(base(days=1), changes(other, entries=[UNKNOWN])) == "unknown"
    assert verdict(base(other, entries=[UNKNOWN], days=1), changes()) == "unknown"
