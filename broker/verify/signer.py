"""Whose key must have made a signature: the bound certificate's; in the basic profile also an unbound one's.

Nothing is believed here: that a key fits says nothing about whom it belongs to.  That is `path.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from broker.verify import certificate, key_value, written, xades
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault
from broker.verify.moment import Window
from broker.verify.references import Covered
from broker.verify.shape import Signature
from broker.verify.trust import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How signatures are judged.

    `profile`: `xades` takes XAdES alone; `basic` also a plain XMLDSig, whose certificate nothing binds, by an
    embedded certificate or by one of `keys` (legacy partners, test vectors).  Without `path` only mathematics and
    coverage are judged: no certificate is believed and the level is `none`.
    """

    profile: Literal["xades", "basic"] = "xades"
    path: bool = True
    keys: tuple[PublicKey, ...] = ()
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signer:
    """The key, whose it is (None: the operator gave it, or nobody asks), and what else the signer signed."""

    key: PublicKey
    certificate: Certificate | None = None
    properties: xades.Properties | None = None


Fits = Callable[[PublicKey], bool]
"""Whether a key made the signature value."""


def certificates(parts: Signature) -> tuple[Certificate, ...]:
    """Return the certificates beside the signature, each once, in order; raise Fault."""
    try:
        return certificate.distinct([written.octets(it) or b"" for it in parts.certificates])
    except Fault as fault:
        raise fault.at("ds:X509Certificate") from None


def find(
    parts: Signature, beside: Sequence[Certificate], references: Sequence[Covered], policy: Policy, fits: Fits
) -> Signer:
    """Return whose key must have made the signature; raise Fault if that cannot be told."""
    if policy.profile == "basic":
        key = _bare(parts, beside, policy, fits)
        if key is not None:
            return Signer(key=key)
        if parts.qualifying is None:
            made_it = (it for it in beside if it.key is not None and fits(it.key))
            return _of(next(made_it, beside[0] if beside else None), None)
    properties = xades.read(parts, references)
    return _of(_bound(parts, beside, references, properties, fits), properties)


def _of(owner: Certificate | None, properties: xades.Properties | None) -> Signer:
    if owner is None:
        raise Fault("verify.certificate-missing", "ds:KeyInfo")
    if owner.key is None:
        raise Fault("verify.key-mismatch", "ds:X509Certificate")
    return Signer(key=owner.key, certificate=owner, properties=properties)


def _bare(parts: Signature, beside: Sequence[Certificate], policy: Policy, fits: Fits) -> PublicKey | None:
    """Return a key that comes without a certificate: one that the operator gave, or none that anybody trusts."""
    bare = None if policy.path or beside else key_value.read(parts.key_info)
    given = policy.keys if bare is None else (*policy.keys, bare)
    return next((key for key in given if fits(key)), given[0] if given and not beside else None)


def _bound(
    parts: Signature,
    beside: Sequence[Certificate],
    references: Sequence[Covered],
    properties: xades.Properties,
    fits: Fits,
) -> Certificate:
    """Return the certificate that the signature binds: without that, it could be swapped; raise Fault."""
    if not beside:
        raise Fault("verify.certificate-missing", "ds:KeyInfo")
    if properties.certificates:
        return xades.bound(properties.certificates, beside, lambda it: it.key is not None and fits(it.key))
    if any(it.target is parts.key_info and it.fault is None for it in references):
        return _of_signed_key_info(beside, fits)
    raise Fault("verify.signing-certificate-missing", "xades:SigningCertificate")


def _of_signed_key_info(beside: Sequence[Certificate], fits: Fits) -> Certificate:
    """Return the signer's certificate of a KeyInfo that the signature covers: none in it can be swapped; raise Fault.

    It may hold the others of the path too (ETSI TS 101 903 §4.4.1): then the key tells the signer's, if it is of one.
    """
    if len(beside) == 1:
        return beside[0]
    fitting = [it for it in beside if it.key is not None and fits(it.key)]
    if len(fitting) == 1:
        return fitting[0]
    facts = {"count": str(len(beside)), "fitting": str(len(fitting))}
    raise Fault("verify.signing-certificate-ambiguous", "ds:KeyInfo", **facts)
