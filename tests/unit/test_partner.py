"""Who a partner is proven to be, by what it has shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.pki import Pki
from broker.errors import ConfigError, Unauthorised
from broker.partner import Credential, Partner, Partners, Proof, fingerprint
from tests.builders import NOON

PKI = Pki(at=NOON, keys="ec-256", cas="ec-256")
OLD, NEW, STRANGER = PKI.seal.certificate, PKI.next_seal.certificate, PKI.stranger.certificate
PORTAL = Partner(id="portal", certificates=(OLD, NEW), boxes=frozenset({"/portal/SEKAP"}))
TOWN = Partner(id="town", users=frozenset({"dms"}))
VILLAGE = Partner(id="village", users=frozenset({"dms"}), certificates=(NEW,))
KNOWN = Partners([PORTAL, TOWN, VILLAGE])


def by_tls(certificate):
    return Credential(proof=Proof.TLS, key=fingerprint(certificate))


def by_signature(certificate):
    return Credential(proof=Proof.WS_SECURITY, key=fingerprint(certificate))


DMS = Credential(proof=Proof.AMQP_USER, key="dms")


def refused(claimed, *credentials, at=NOON):
    with pytest.raises(Unauthorised) as no:
        KNOWN.identify(claimed, credentials, at)
    return no.value.code


@pytest.mark.parametrize("certificate", [OLD, NEW])
def test_each_of_its_certificates_proves_a_partner_while_one_is_renewed(certificate):
    assert KNOWN.identify("portal", [by_tls(certificate)], NOON) is PORTAL
    assert KNOWN.identify("portal", [by_signature(certificate)], NOON) is PORTAL


def test_one_document_system_may_send_for_several_partners():
    assert KNOWN.identify("town", [DMS], NOON) is TOWN
    assert KNOWN.identify("village", [DMS], NOON) is VILLAGE


def test_who_shows_nothing_is_nobody():
    assert refused("portal") == "partner.unproven"


def test_a_stranger_is_told_that_nobody_knows_the_certificate():
    assert refused("portal", by_tls(STRANGER)) == "partner.unknown"


def test_a_partner_cannot_be_another():
    assert refused("town", by_tls(OLD)) == "partner.another"
    assert refused("nobody", by_tls(OLD)) == "partner.another"
    assert refused("", by_tls(OLD)) == "partner.another"


def test_a_certificate_counts_from_its_first_moment_to_its_last():
    first, last = OLD.not_valid_before_utc, OLD.not_valid_after_utc
    assert KNOWN.identify("portal", [by_tls(OLD)], first) is PORTAL
    assert KNOWN.identify("portal", [by_tls(OLD)], last) is PORTAL
    assert refused("portal", by_tls(OLD), at=first - timedelta(seconds=1)) == "partner.not-yet-valid"
    assert refused("portal", by_tls(OLD), at=last + timedelta(seconds=1)) == "partner.expired"


def test_a_user_whose_name_is_a_fingerprint_does_not_take_over_the_certificate():
    assert refused("portal", Credential(proof=Proof.AMQP_USER, key=fingerprint(OLD))) == "partner.unknown"


@given(st.permutations([by_tls(OLD), by_signature(NEW), by_signature(STRANGER)]))
def test_everything_that_is_shown_must_hold_whatever_the_order(credentials):
    assert refused("portal", *credentials) == "partner.unknown"
    assert KNOWN.identify("portal", [one for one in credentials if one != by_signature(STRANGER)], NOON) is PORTAL


def test_one_id_is_one_partner():
    with pytest.raises(ConfigError, match="portal"):
        Partners([PORTAL, Partner(id="portal")])


def test_the_certificates_of_all_are_told_once_each():
    assert sorted(map(fingerprint, KNOWN.certificates)) == sorted(map(fingerprint, (OLD, NEW)))


@pytest.mark.parametrize(
    ("to", "box", "may"),
    [
        ((), "/town/SEKAP", True),
        (("/town/SEKAP",), "/town/SEKAP", True),
        (("/town/SEKAP",), "/town/other", False),
        (("/town/",), "/town/other", True),
        (("/town/",), "/townhall/SEKAP", False),
        (("/town",), "/town/SEKAP", False),
    ],
)
def test_a_partner_reaches_the_boxes_it_may_and_no_others(to, box, may):
    assert Partner(id="x", to=frozenset(to)).may_reach(box) is may
