"""NIST's PKITS 1.0.1: paths and revocation as the suite publishes them, each refused test with the code it must give.

Judged by `path.build`, for PKITS asks about paths and not about who may sign documents: some of its end entities are
authorities, which `path.find` refuses whatever the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path as File
from typing import Final

import pytest
from cryptography import x509

from broker.verify import Anchor, TrustSnapshot, path, revocation
from broker.verify.certificate import load
from broker.verify.fault import Fault
from broker.verify.settlement import Raw, settle

DATA: Final = files("cryptography_vectors") / "x509" / "PKITS_data"
AT: Final = datetime(2020, 1, 1, tzinfo=UTC)
AGE: Final = timedelta(days=4_000)  # the lists are of 2010

NOT_TAKEN: Final = {
    "4.1.4": ("verify.chain-weak", "DSA signs nothing here (DOMAIN §5)"),
    "4.1.5": ("verify.certificate-unreadable", "a DSA key that inherits its parameters: cryptography reads none such"),
}
"""The good ones that are refused, and why."""

# Two of its certificates have negative serial numbers, and cryptography says so.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One line of `paths.txt`."""

    number: str
    verdict: str
    end: str
    authorities: tuple[str, ...]
    crls: tuple[str, ...]
    beside: tuple[str, ...]


def published() -> Iterator[Published]:
    for line in (File(__file__).parent / "paths.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        number, verdict, end, *lists = (field.strip() for field in line.split("|"))
        authorities, crls, beside = (tuple(names.split()) for names in (*lists, "", "", "")[:3])
        yield Published(number=number, verdict=verdict, end=end, authorities=authorities, crls=crls, beside=beside)


TESTS: Final = tuple(published())


def certificate(name: str) -> bytes:
    return (DATA / "certs" / f"{name}.crt").read_bytes()


def crl(name: str) -> Raw:
    return Raw(octets=(DATA / "crls" / f"{name}.crl").read_bytes(), url=name)


TRUST: Final = TrustSnapshot(
    anchors=(
        Anchor(certificate=x509.load_der_x509_certificate(certificate("TrustAnchorRootCertificate")), name="NIST"),
    ),
    revocation="require",
    freshness=AGE,
)


@cache
def verdict(test: Published) -> str:
    """Return "good", or the code with which the path is refused."""
    try:
        found = path.build(load(certificate(test.end)), [load(certificate(it)) for it in test.authorities], TRUST, AT)
        settled = settle(
            found.chain,
            crls=[crl(name) for name in ("TrustAnchorRootCRL", *test.crls)],
            beside=[certificate(name) for name in test.beside],
            at=AT,
            freshness=AGE,
        )
        revocation.require(revocation.judge(found, revocation.Evidence().adding(settled), TRUST, AT))
    except Fault as fault:
        return fault.code
    return "good"


@pytest.mark.parametrize("test", TESTS, ids=lambda test: f"{test.number}-{test.end}")
def test_a_path_of_pkits_is_judged_as_published(test: Published) -> None:
    expected = NOT_TAKEN[test.number][0] if test.number in NOT_TAKEN else test.verdict
    assert verdict(test) == expected


def test_all_bad_paths_of_pkits_are_refused_and_all_good_ones_but_two_are_taken() -> None:
    """Counted as the suite names its files: 115 Invalid, 88 Valid; the others' verdict depends on the settings."""
    bad = {test.number for test in TESTS if test.end.startswith("Invalid")}
    good = {test.number for test in TESTS if test.end.startswith("Valid") and test.number != "4.8.1"}  # it is 4.1.1
    taken = {test.number for test in TESTS if verdict(test) == "good"}
    assert (len(TESTS), len(bad), len(good)) == (224, 115, 88)
    assert bad & taken == set()
    assert good - taken == set(NOT_TAKEN)
    assert len(good & taken) >= 85


def test_every_file_of_pkits_that_names_an_end_entity_is_in_the_table() -> None:
    ends = {file.name.removesuffix(".crt") for file in (DATA / "certs").iterdir() if file.name.endswith("EE.crt")}
    assert ends == {test.end for test in TESTS}


@pytest.mark.parametrize(
    "test",
    [test for test in TESTS if test.verdict == "good" and test.number not in NOT_TAKEN],
    ids=lambda test: test.number,
)
def test_a_good_path_of_pkits_without_its_evidence_is_neither_good_nor_bad(test: Published) -> None:
    found = path.build(load(certificate(test.end)), [load(certificate(it)) for it in test.authorities], TRUST, AT)
    with pytest.raises(Fault, match="revocation-unknown"):
        revocation.require(revocation.judge(found, revocation.Evidence(), TRUST, AT))
