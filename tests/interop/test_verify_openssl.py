"""openssl is asked about every chain of certificates that the corpus shows, and about chains made for the purpose.

Never do we accept a chain that openssl refuses.  Where we refuse one that it accepts, the code says why, and stands here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.certificates import Authority, distinguished, key
from adapters.testkit.pki import JAN
from broker.errors import Rejection
from broker.parse import Limits, read
from broker.verify import TrustSnapshot, path
from broker.verify.certificate import Certificate, distinct, load
from broker.verify.fault import Fault
from tests.corpus.kept import kept
from tests.corpus.verify.scene import AT, PKI, TRUST
from tests.fuzz.verifying import trust
from tests.interop import verifiers

pytestmark = pytest.mark.interop

DAY = timedelta(days=1)
Kind = tuple[int | None, tuple[str, ...], tuple[timedelta, timedelta], bool]
"""Path length, usage, life from `AT`, whether it is an authority."""
Chain = tuple[bytes, ...]
"""Certificates, DER, the signer's first."""

# What openssl, asked about a chain alone, takes of the corpus and we do not: how many chains, and why.
OURS_ALONE = {
    "verify.certificate-is-ca": (2, "an authority signs no documents"),
    "verify.key-usage": (10, "neither do machines, nor keys for other uses"),
    "verify.chain-weak": (4, "at its lowest level it takes keys of 1024 bits, short curves and SHA-1"),
    "verify.chain-invalid": (1, "it looks at a policy that is required only when told to (-policy_check)"),
    "verify.chain-untrusted": (1, "ours has at most eight certificates below the anchor"),
    "verify.chain-unreadable": (1, "it does not look into an extension that it does not need"),
    "verify.certificate-unreadable": (1, "ours reads no certificate of more than 20,000 octets"),
}


def ours(chain: Chain, known: TrustSnapshot) -> str:
    """Return the code of our refusal, or an empty text."""
    try:
        signer, *beside = distinct(chain)
        path.find(signer, beside, known, AT)
    except Fault as fault:
        return fault.code
    return ""


def openssl_accepts(chain: Chain, known: TrustSnapshot, folder: Path) -> bool:
    """Ask openssl, as of the same moment, with every anchor trusted as it is."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing: set the peers up with `make interop`")
    signer, beside, anchors = folder / "signer.pem", folder / "beside.pem", folder / "anchors.pem"
    pems = [load(der).x509.public_bytes(Encoding.PEM) for der in chain]
    signer.write_bytes(pems[0])
    beside.write_bytes(b"".join(pems[1:]) or pems[0])
    anchors.write_bytes(b"".join(it.certificate.public_bytes(Encoding.PEM) for it in known.anchors))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-attime", str(int(AT.timestamp()))]
    command += ["-CAfile", str(anchors), "-untrusted", str(beside), str(signer)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def compare(chains: Sequence[Chain], known: TrustSnapshot, folder: Path) -> dict[str, int]:
    """Assert that we accept nothing that openssl refuses; return how often we alone refuse, by code."""
    alone: dict[str, int] = defaultdict(int)
    accepted = 0
    for chain in chains:
        code, other = ours(chain, known), openssl_accepts(chain, known, folder)
        names = [certificate.report.subject for certificate in map(load, chain)]
        if not code:
            accepted += 1
            assert other, names
        elif other:
            alone[code] += 1
    assert accepted
    return alone


def chains_of_the_corpus() -> tuple[Chain, ...]:
    """Every chain that a signature of the corpus shows, as far as both can read it."""
    found: dict[str, Chain] = {}
    for it in kept():
        try:
            root = read(it.read(), Limits())
        except Rejection:
            continue
        for signature in root.iter(verifiers.DS + "Signature"):
            held = signature.iterfind(f"{verifiers.DS}KeyInfo/{verifiers.DS}X509Data/{verifiers.DS}X509Certificate")
            chain = tuple(dict.fromkeys(der for der in map(verifiers.decoded, held) if _legible(der)))
            if chain:
                found[hashlib.sha256(b"".join(chain)).hexdigest()] = chain[:10]
    return tuple(found.values())


def _legible(der: bytes | None) -> bool:
    try:
        return isinstance(load(der or b""), Certificate)
    except Fault:
        return False


def test_no_chain_of_the_corpus_is_accepted_that_openssl_refuses(tmp_path: Path) -> None:
    chains = chains_of_the_corpus()
    assert len(chains) > 60
    alone = compare(chains, trust(), tmp_path)
    assert alone == {code: number for code, (number, _) in OURS_ALONE.items()}


CONSTRAINTS = {"none": None, "of 0": 0, "of 1": 1}
USAGES = {"certificates": ("key_cert_sign",), "lists": ("crl_sign",), "none said": ()}
LIVES = {"in force": (-DAY, DAY), "over": (-2 * DAY, -DAY), "to come": (DAY, 2 * DAY)}


def made_chains() -> Iterator[Chain]:
    """Two intermediates of every kind, one above the other."""
    kinds = list(product(CONSTRAINTS.values(), USAGES.values(), LIVES.values(), (True, False)))
    plain: Kind = (None, ("key_cert_sign",), (-DAY, DAY), True)
    for upper, lower in [*((kind, plain) for kind in kinds), *((plain, kind) for kind in kinds)]:
        first = _issued("Upper", PKI.qualified_ca, upper)
        second = _issued("Lower", first, lower)
        person = PKI.personal(second, JAN, kind="ec-256")
        yield (person.der, second.credential.der, first.credential.der)


def _issued(title: str, above: Authority, kind: Kind) -> Authority:
    length, usage, life, ca = kind
    issued = above.issue(
        distinguished(common_name=f"Goniec Test {title}"),
        key(title, "ec-256"),
        not_before=AT + life[0],
        not_after=AT + life[1],
        usage=usage,
        ca=ca,
        length=length,
    )
    return Authority(credential=issued)


def test_no_chain_of_two_intermediates_is_accepted_that_openssl_refuses(tmp_path: Path) -> None:
    assert compare(list(made_chains()), TRUST, tmp_path) == {}
