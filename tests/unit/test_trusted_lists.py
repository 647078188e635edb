"""Which lists are believed, and which are refused, each for its own reason (ETSI TS 119 612)."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.certificates import distinguished
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import C14N, ENVELOPED, EXCLUSIVE, XPATH
from adapters.testkit.trusted_lists import TSL, Entry, Lists
from broker.verify.trust_services import Kind
from broker.verify.trusted_list import LIMITS, Claimed, Expected, ListRefused, claimed, read

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LISTS, PKI = Lists(at=NOW), Pki(at=NOW)
CA = PKI.qualified_ca.credential.certificate
LOTL = Expected(territory="EU", signers=(LISTS.lotl_signer.certificate,))
POLISH = Expected(territory="PL", signers=(LISTS.national_signer.certificate,))
STRANGER = LISTS.signer("Goniec Test Stranger")


def national(**about):
    return LISTS.national([Entry(certificates=(CA,))], **about)


def changed(old, new):
    def rewrite(text):
        assert old in text
        return text.replace(old, new)

    return rewrite


def tampered(data, old, new):
    assert old in data
    return data.replace(old, new)


def inside(data, held):
    """The list with something more as the last child of its root, after it was signed."""
    return tampered(data, b"</TrustServiceStatusList>", held + b"</TrustServiceStatusList>")


def body(data):
    """The list without its XML declaration."""
    return data.partition(b"?>")[2]


# ── believed ──


@pytest.mark.parametrize("version", [5, 6])
def test_a_list_of_either_version_is_believed(version):
    found = read(national(version=version, sequence=7), POLISH, NOW)
    assert (found.territory, found.sequence, found.issued) == ("PL", 7, NOW - DAY)
    assert found.next_update == found.end == NOW + 179 * DAY
    assert found.signer == LISTS.national_signer.certificate
    assert [(it.kind, it.certificates) for it in found.services] == [(Kind.CERTIFICATES, (CA,))]


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param({"binding": "v2"}, id="SigningCertificateV2"),
        pytest.param({"binding": "key-info", "extra_references": ()}, id="KeyInfo covered"),
        pytest.param({"digest": "sha512", "method": "rsa-sha512"}, id="SHA-512"),
        pytest.param({"object_format": True, "policy_implied": True}, id="more properties"),
        pytest.param({"prefix": ""}, id="no prefix"),
        pytest.param({"uri": "#TrustServiceStatusList-1"}, id="the root by its Id"),
        pytest.param({"transforms": (ENVELOPED, C14N), "signed_info": C14N}, id="inclusive C14N"),
        pytest.param({"transforms": (XPATH, EXCLUSIVE)}, id="by XPath"),
        pytest.param({"certificates": "chain"}, id="the chain in KeyInfo"),
        pytest.param({"key_value": True}, id="KeyValue beside"),
        pytest.param({"properties": ""}, id="SignedProperties without a transform"),
    ],
)
def test_the_shapes_in_which_lists_are_signed_are_read(recipe):
    assert read(national(recipe=recipe), POLISH, NOW).services


def test_a_certificate_bound_by_sha1_does_not_matter_where_the_key_is_pinned():
    der = LISTS.national_signer.der
    old, new = (
        f'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>{b64encode(hashlib.sha256(der).digest()).decode()}',
        f'<ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/><ds:DigestValue>{b64encode(hashlib.sha1(der).digest()).decode()}',
    )
    assert read(national(recipe={"rewrite": changed(old, new)}), POLISH, NOW).services


@pytest.mark.parametrize("kind", ["ec-256", "ec-384", "ec-521"])
def test_a_list_may_be_signed_by_an_elliptic_key(kind):
    signer = LISTS.signer(f"Goniec Test Elliptic {kind}", kind=kind)
    assert (
        read(national(signer=signer), replace(POLISH, signers=(signer.certificate,)), NOW).signer == signer.certificate
    )


def test_any_of_several_pinned_signers_may_sign_so_that_they_can_be_exchanged():
    pinned = replace(LOTL, signers=(STRANGER.certificate, LISTS.lotl_signer.certificate))
    assert read(LISTS.lotl(), pinned, NOW).signer == LISTS.lotl_signer.certificate
    assert read(LISTS.lotl(signer=STRANGER), pinned, NOW).signer == STRANGER.certificate


def test_a_signer_whose_certificate_has_ended_since_is_still_the_signer_of_what_it_signed():
    signer = LISTS.signer("Goniec Test Ended", not_after=NOW - timedelta(hours=1))
    assert read(national(signer=signer), replace(POLISH, signers=(signer.certificate,)), NOW).services


def test_a_byte_order_mark_and_a_comment_change_nothing():
    data = b"\xef\xbb\xbf" + LISTS.national(
        [Entry(certificates=(CA,))], rewrite=changed("<NextUpdate>", "<!-- soon --><NextUpdate>")
    )
    assert read(data, POLISH, NOW).services


def test_the_list_of_the_lists_names_territories_places_and_signers():
    german = LISTS.signer("Goniec Test German Operator")
    found = read(
        LISTS.lotl(
            LISTS.pointer()
            + LISTS.pointer("DE", [german, STRANGER])
            + LISTS.pointer("PL", location="https://lists.example/PL.pdf", mime="application/pdf")
            + LISTS.pointer("EU", [LISTS.lotl_signer], kind="EUlistofthelists")
        ),
        LOTL,
        NOW,
    )
    assert {name: (it.locations, it.signers) for name, it in found.pointers.items()} == {
        "PL": (("https://lists.example/PL.xml",), (LISTS.national_signer.certificate,)),
        "DE": (("https://lists.example/DE.xml",), (german.certificate, STRANGER.certificate)),
    }


def test_two_pointers_to_one_territory_are_taken_together():
    found = read(
        LISTS.lotl(LISTS.pointer() + LISTS.pointer("PL", [STRANGER], location="https://new.example/")), LOTL, NOW
    )
    assert found.pointers["PL"].locations == ("https://lists.example/PL.xml", "https://new.example/")
    assert found.pointers["PL"].signers == (LISTS.national_signer.certificate, STRANGER.certificate)


def test_a_national_list_has_no_pointers_that_count():
    pointing = changed("</PointersToOtherTSL>", LISTS.pointer("DE", [STRANGER]) + "</PointersToOtherTSL>")
    assert read(national(rewrite=pointing), POLISH, NOW).pointers == {}


def test_what_is_read_is_what_was_signed_and_not_what_stands_around_it():
    data = tampered(national(sequence=12), b"Number>12<", b"Number>1<!-- signed without this -->2<")
    assert read(data, POLISH, NOW).sequence == 12


def test_whose_list_it_claims_to_be_can_be_told_before_it_is_believed():
    assert claimed(national(recipe=None, sequence=4)) == Claimed(territory="PL", sequence=4, issued=NOW - DAY)
    assert claimed(LISTS.lotl(signer=STRANGER)).territory == "EU"


def test_an_overdue_list_counts_for_the_tolerance_and_no_longer():
    data, late = national(), replace(POLISH, tolerance=3 * DAY)
    due = NOW + 179 * DAY
    assert read(data, late, due + 2 * DAY).end == due + 3 * DAY
    with pytest.raises(ListRefused, match="next update was due"):
        read(data, late, due + 3 * DAY)


def test_the_same_list_again_and_a_later_one_are_believed():
    again = replace(POLISH, before=claimed(national(sequence=3)))
    assert read(national(sequence=3), again, NOW).sequence == 3
    assert read(national(sequence=4), again, NOW).sequence == 4


# ── refused ──

ISSUED = NOW - DAY
ENTRY = Entry(certificates=(CA,))
GOOD, GOOD_LOTL = national(), LISTS.lotl()
OLD = claimed(national(sequence=5))
EVIL_SERVICES = body(LISTS.national([Entry(certificates=(PKI.untrusted_ca.credential.certificate,))], recipe=None))

REFUSED = [
    ("signer", "a stranger signed it", national(signer=STRANGER), POLISH),
    ("signer", "the LOTL's signer signed the national list", national(signer=LISTS.lotl_signer), POLISH),
    ("signer", "the national signer signed the LOTL", LISTS.lotl(signer=LISTS.national_signer), LOTL),
    ("signer", "nobody is pinned", GOOD, replace(POLISH, signers=())),
    (
        "signer",
        "a CA is pinned, and the signer is below it",
        LISTS.national([ENTRY], signer=PKI.person),
        replace(POLISH, signers=(CA,)),
    ),
    ("signer", "no certificate is shown", national(recipe={"certificates": "none"}), POLISH),
    (
        "signature",
        "the pinned certificate is shown, and another key signed",
        national(signer=replace(STRANGER, certificate=LISTS.national_signer.certificate)),
        POLISH,
    ),
    ("unsigned", "it is not signed", national(recipe=None), POLISH),
    (
        "signature",
        "a service's status was changed",
        tampered(LISTS.national([replace(ENTRY, status="withdrawn")]), b"withdrawn", b"granted"),
        POLISH,
    ),
    (
        "signature",
        "a certificate was exchanged",
        tampered(GOOD, b64encode(CA.public_bytes(Encoding.DER)), b64encode(PKI.untrusted_ca.credential.der)),
        POLISH,
    ),
    ("signature", "the next update was put off", tampered(GOOD, b"2026-06-29T12", b"2026-07-01T12"), POLISH),
    ("signature", "the sequence number was changed", tampered(GOOD, b"Number>1<", b"Number>2<"), POLISH),
    ("signature", "services were put behind the signature", inside(GOOD, EVIL_SERVICES), POLISH),
    ("signature", "a digest of SHA-1", national(recipe={"digest": "sha1"}), POLISH),
    ("signature", "a signature of RSA with SHA-1", national(recipe={"method": "rsa-sha1"}), POLISH),
    ("signature", "an HMAC with the public key", national(recipe={"method": "hmac-sha256"}), POLISH),
    ("signature", "the list itself is not covered", national(recipe={"uri": "#xades-missing"}), POLISH),
    (
        "signature",
        "only a part of it is covered",
        national(recipe={"uri": "#part"}, rewrite=changed("<NextUpdate>", '<NextUpdate Id="part">')),
        POLISH,
    ),
    (
        "signature",
        "two elements bear the Id that is covered",
        national(
            recipe={"uri": "#TrustServiceStatusList-1"},
            rewrite=changed("<NextUpdate>", '<NextUpdate Id="TrustServiceStatusList-1">'),
        ),
        POLISH,
    ),
    ("signatures", "two have signed", sign(GOOD, LISTS.national_signer, NOW), POLISH),
    (
        "signatures",
        "a second list with its own signature is inside",
        inside(GOOD, body(national(signer=STRANGER))),
        POLISH,
    ),
    ("no-list", "the list is inside of something else", b"<wrapper>" + body(GOOD) + b"</wrapper>", POLISH),
    (
        "no-list",
        "it is enveloped by its signature",
        national(recipe={"enveloping": True, "transforms": (EXCLUSIVE,)}),
        POLISH,
    ),
    ("no-list", "another tag", national(rewrite=changed("19612/TSLTag", "02231/TSLTag")), POLISH),
    (
        "no-list",
        "another namespace",
        national(rewrite=changed(f'xmlns="{TSL}"', 'xmlns="http://uri.etsi.org/02231/v3#"')),
        POLISH,
    ),
    ("unreadable", "no XML", b"PK\x03\x04", POLISH),
    ("unreadable", "nothing", b"", POLISH),
    (
        "unreadable",
        "a DTD",
        tampered(GOOD, b"<TrustServiceStatusList", b'<!DOCTYPE x [<!ENTITY a "b">]><TrustServiceStatusList'),
        POLISH,
    ),
    ("unreadable", "cut off", GOOD[:-30], POLISH),
    ("unreadable", "huge", GOOD + b" " * LIMITS.payload, POLISH),
    (
        "unreadable",
        "too deep",
        tampered(GOOD, b"<NextUpdate>", b"<x>" * LIMITS.depth + b"</x>" * LIMITS.depth + b"<NextUpdate>"),
        POLISH,
    ),
    ("expired", "overdue", national(issued=NOW - 100 * DAY, next_update=NOW), POLISH),
    ("future", "from the future", national(issued=NOW + timedelta(minutes=6)), POLISH),
    ("interval", "for longer than six months", national(issued=ISSUED, next_update=ISSUED + 191 * DAY), POLISH),
    (
        "interval",
        "the next update before the issue",
        national(issued=ISSUED, next_update=ISSUED - DAY),
        replace(POLISH, tolerance=9 * DAY),
    ),
    ("closed", "no next update", national(next_update=None), POLISH),
    ("version", "version 4", national(version=4), POLISH),
    ("version", "version 7", national(version=7), POLISH),
    ("version", "a version that is no number", national(version="5 or 6"), POLISH),
    ("type", "a type of another scheme", national(kind="CClist"), POLISH),
    ("type", "a national list of the EU", national(territory="EU", signer=LISTS.lotl_signer), LOTL),
    ("type", "a list of the lists of Poland", LISTS.lotl(territory="PL", signer=LISTS.national_signer), POLISH),
    ("territory", "Germany's list where Poland's was expected", national(territory="DE"), POLISH),
    ("malformed", "a territory that is none", national(territory="pl"), POLISH),
    (
        "malformed",
        "two territories",
        national(rewrite=changed("<HistoricalInf", "<SchemeTerritory>DE</SchemeTerritory><HistoricalInf")),
        POLISH,
    ),
    ("malformed", "no issue date", national(rewrite=changed("ListIssueDateTime", "ListIssueDate")), POLISH),
    (
        "malformed",
        "an issue date without a zone",
        national(rewrite=changed(f"{ISSUED:%Y-%m-%dT%H:%M:%S}Z</ListIssue", f"{ISSUED:%Y-%m-%dT%H:%M:%S}</ListIssue")),
        POLISH,
    ),
    ("malformed", "a sequence number that is none", national(sequence="-1"), POLISH),
    ("older", "a lower number than before", national(sequence=4), replace(POLISH, before=OLD)),
    (
        "older",
        "the same number, issued earlier",
        national(sequence=5, issued=ISSUED - DAY),
        replace(POLISH, before=OLD),
    ),
    (
        "older",
        "a higher number, issued earlier",
        national(sequence=6, issued=ISSUED - DAY),
        replace(POLISH, before=OLD),
    ),
    (
        "signer-expired",
        "issued after its signer's certificate ended",
        national(signer=(_ended := LISTS.signer("Goniec Test Ended Before", not_after=ISSUED - DAY))),
        replace(POLISH, signers=(_ended.certificate,)),
    ),
    (
        "signer-expired",
        "issued before its signer's certificate began",
        national(signer=(_young := LISTS.signer("Goniec Test Young", not_before=NOW))),
        replace(POLISH, signers=(_young.certificate,)),
    ),
    (
        "signature",
        "a key of 1024 bits",
        national(signer=(_short := LISTS.signer("Goniec Test Short", kind="rsa-1024"))),
        replace(POLISH, signers=(_short.certificate,)),
    ),
]


@pytest.mark.parametrize(
    ("reason", "data", "expected"), [pytest.param(r, d, e, id=f"{r}: {w}") for r, w, d, e in REFUSED]
)
def test_a_list_that_is_not_as_it_must_be_is_refused(reason, data, expected):
    with pytest.raises(ListRefused) as refused:
        read(data, expected, NOW)
    assert refused.value.reason == reason, refused.value.problems
    (words,) = refused.value.problems
    assert any(words == known or (known[-1] in " :" and words.startswith(known)) for known in WORDS[reason]), words


WORDS = {
    "signer": ("the list is signed by somebody who may not sign it",),
    "unsigned": ("the list is not signed",),
    "signatures": ("the list has more than one signature",),
    "signature": tuple(
        f"the signature does not hold: verify.{it}"
        for it in (
            "signature-value-mismatch ds:Signature[1]/ds:SignatureValue",
            "digest-mismatch ds:Signature[1]/ds:Reference[1]",
            "duplicate-id @Id",
            "digest-sha1 ds:Signature[1]/ds:Reference[1]",
            "signature-sha1 ds:Signature[1]/ds:SignatureMethod",
            "signature-hmac ds:Signature[1]/ds:SignatureMethod",
            "reference-target-missing ds:Signature[1]/ds:Reference[1]",
            "root-not-covered ds:Signature[1]/ds:SignedInfo",
            "key-short ds:Signature[1]/ds:SignatureValue",
        )
    ),
    "no-list": ("no trusted list of ETSI TS 119 612",),
    "unreadable": (
        "no XML that can be read safely: parse.empty",
        "no XML that can be read safely: parse.too-large",
        "no XML that can be read safely: parse.malformed line ",
        "no XML that can be read safely: parse.dtd line ",
        "no XML that can be read safely: parse.too-deep line ",
    ),
    "expired": ("the list's next update was due on 2026-01-01",),
    "future": ("the list was issued in the future: 2026-01-01 12:06",),
    "interval": ("the list's next update is not within six months after its issue",),
    "closed": ("the list is closed: there will be no next one",),
    "version": tuple(f"the list is of version '{it}'; 5 and 6 can be read" for it in ("4", "7", "5 or 6")),
    "type": (
        "the list is of a type that is not known",
        "only the EU has a list of the lists, and no other list",
    ),
    "territory": ("the list is that of DE, not of PL",),
    "malformed": tuple(
        f"the list is not as ETSI TS 119 612 has it: {it}"
        for it in (
            "SchemeTerritory or TSLSequenceNumber",
            "SchemeTerritory stands 2 times",
            "ListIssueDateTime stands 0 times",
            "ListIssueDateTime is no moment in UTC",
        )
    ),
    "older": (
        "the list is number 4, after number 5 was there",
        "the list is number 5, after number 5 was there",
        "the list has a later number but an earlier date than the one before",
    ),
    "signer-expired": ("the signer's certificate was not valid when the list was issued",),
}


@pytest.mark.parametrize("ask", [claimed, lambda data: read(data, POLISH, NOW)], ids=["claimed", "read"])
def test_what_is_no_list_is_refused_in_the_same_words_before_and_after_it_is_believed(ask):
    for data, reason in ((b"<x/>", "no-list"), (national(sequence="-1"), "malformed"), (b"", "unreadable")):
        with pytest.raises(ListRefused) as refused:
            ask(data)
        assert (refused.value.reason, refused.value.problems[0]) == (reason, WORDS[reason][0])


def edge(*, issued=ISSUED, next_update=NOW + 90 * DAY, expected=POLISH, at=NOW, **about):
    return read(national(issued=issued, next_update=next_update, **about), expected, at)


@pytest.mark.parametrize(
    ("inside_it", "beyond", "reason"),
    [
        ({"issued": NOW + timedelta(minutes=5)}, {"issued": NOW + timedelta(minutes=5, seconds=1)}, "future"),
        ({"next_update": ISSUED + 190 * DAY}, {"next_update": ISSUED + 190 * DAY + timedelta(seconds=1)}, "interval"),
        ({"next_update": NOW + timedelta(seconds=1)}, {"next_update": NOW}, "expired"),
    ],
)
def test_a_list_counts_up_to_the_edge_and_no_further(inside_it, beyond, reason):
    assert edge(**inside_it).services
    with pytest.raises(ListRefused) as refused:
        edge(**beyond)
    assert refused.value.reason == reason


def test_a_list_has_some_time_between_its_issue_and_its_next_update():
    tolerant = replace(POLISH, tolerance=9 * DAY)
    assert edge(issued=NOW, next_update=NOW + timedelta(seconds=1), expected=tolerant).services
    with pytest.raises(ListRefused) as refused:
        edge(issued=NOW, next_update=NOW, expected=tolerant)
    assert refused.value.reason == "interval"


@pytest.mark.parametrize("moment", ["not_before", "not_after"])
def test_a_signer_may_sign_from_the_first_to_the_last_moment_of_its_certificate(moment):
    signer = LISTS.signer(f"Goniec Test Edge {moment}", **{moment: ISSUED})
    assert edge(signer=signer, expected=replace(POLISH, signers=(signer.certificate,))).services


def test_a_list_of_the_same_number_and_date_is_the_same_list():
    before = claimed(national(sequence=5))
    assert edge(sequence=5, expected=replace(POLISH, before=before)).sequence == 5
    same_day = Claimed(territory="PL", sequence=4, issued=ISSUED)
    assert edge(sequence=5, expected=replace(POLISH, before=same_day)).sequence == 5


def test_a_version_is_shown_in_part_only():
    with pytest.raises(ListRefused) as refused:
        edge(version="7" * 30)
    assert refused.value.problems[0] == f"the list is of version '{'7' * 20}'; 5 and 6 can be read"


def test_of_pointers_only_those_to_lists_in_xml_are_taken_wherever_they_stand():
    bare = "<OtherTSLPointer><TSLLocation>https://x.example/</TSLLocation></OtherTSLPointer>"
    found = read(
        LISTS.lotl(
            LISTS.pointer("AA", mime="application/pdf")
            + bare
            + LISTS.pointer("BB", kind="EUlistofthelists")
            + LISTS.pointer("CC", kind="CClist")
            + LISTS.pointer("DD")
            + LISTS.pointer("EE", location="\n https://lists.example/EE.xml ")
        ),
        LOTL,
        NOW,
    )
    assert {name: it.locations for name, it in found.pointers.items()} == {
        "DD": ("https://lists.example/DD.xml",),
        "EE": ("https://lists.example/EE.xml",),
    }


def test_services_bear_the_territory_of_their_list():
    (service,) = read(national(), POLISH, NOW).services
    assert {it.territory for it in service.times} == {"PL"}


def test_every_pinned_signer_that_is_shown_is_tried_and_each_failure_told():
    other = LISTS.signer("Goniec Test Other Shown")
    shown = "".join(
        f"<ds:X509Certificate>{b64encode(it).decode()}</ds:X509Certificate>"
        for it in (other.der, LISTS.national_signer.der)
    )
    put = lambda text: re.sub("<ds:X509Certificate>.*</ds:X509Certificate>", shown, text, flags=re.DOTALL)  # noqa: E731
    both = replace(POLISH, signers=(other.certificate, LISTS.national_signer.certificate))
    good = national(recipe={"rewrite": put})
    assert read(good, both, NOW).signer == LISTS.national_signer.certificate
    with pytest.raises(ListRefused) as refused:
        read(tampered(good, b"Number>1<", b"Number>2<"), both, NOW)
    why = "verify.digest-mismatch ds:Signature[1]/ds:Reference[1]"
    assert refused.value.problems[0] == f"the signature does not hold: {why}, {why}"


def test_a_pinned_signer_with_a_key_of_no_known_kind_has_signed_nothing():
    builder = x509.CertificateBuilder().subject_name(distinguished(common_name="Odd")).serial_number(9)
    builder = builder.issuer_name(distinguished(common_name="Odd")).not_valid_before(NOW - DAY)
    own = ed25519.Ed25519PrivateKey.generate()
    odd = builder.not_valid_after(NOW + DAY).public_key(own.public_key()).sign(own, None)
    der = odd.public_bytes(Encoding.DER)
    put = lambda text: re.sub("(<ds:X509Certificate>)[^<]*", rf"\g<1>{b64encode(der).decode()}", text)  # noqa: E731
    with pytest.raises(ListRefused) as refused:
        read(national(recipe={"rewrite": put}), replace(POLISH, signers=(odd,)), NOW)
    assert refused.value.problems == ("the signature does not hold: a key of an unknown kind",)


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_is_changed_in_a_list_it_is_refused_or_says_the_same(data):
    place = data.draw(st.integers(0, len(GOOD) - 1))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(st.binary(max_size=12) | st.sampled_from([b"<x/>", b"<!-- -->", b"granted", b"]]>", b"&amp;"]))
    try:
        found = read(GOOD[:place] + put + GOOD[place + cut :], POLISH, NOW)
    except ListRefused:
        return
    assert found == read(GOOD, POLISH, NOW)


def test_the_next_update_is_a_moment_by_its_name_only():
    with pytest.raises(ListRefused):
        read(
            national(
                rewrite=lambda text: text.replace("<NextUpdate><dateTime>", "<NextUpdate><x>", 1).replace(
                    "</dateTime></NextUpdate>", "</x></NextUpdate>", 1
                )
            ),
            POLISH,
            NOW,
        )


def test_a_pointer_that_names_no_territory_or_no_place_points_to_nobodys_list():
    nameless = LISTS.pointer("DE").replace("<SchemeTerritory>DE</SchemeTerritory>", "<x/>")
    placeless = re.sub("<TSLLocation>.*</TSLLocation>", "", LISTS.pointer("AT"))
    found = read(LISTS.lotl(LISTS.pointer() + nameless + placeless), LOTL, NOW).pointers
    assert {name: it.locations for name, it in found.items()} == {
        "PL": ("https://lists.example/PL.xml",),
        "": ("https://lists.example/DE.xml",),
        "AT": ("",),
    }
