"""Where a certificate says that evidence about it is to be had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from broker.verify.certificate import load
from broker.verify.fault import Fault

_URLS: Final = 4  # of each kind that a certificate may name
_URL: Final = 1_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a certificate says that its evidence is: URLs of http and https, at most four of each kind."""

    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()


def sources(der: bytes) -> Sources:
    """Return where evidence for a certificate is to be had.  Whatever the octets, raises nothing.

    From authorityInfoAccess and cRLDistributionPoints (RFC 5280 §4.2.2.1, §4.2.1.13).  They are a stranger's
    words: whether anybody goes there is for who fetches to decide.
    """
    try:
        certificate = load(der).x509
        return Sources(ocsp=_usable(_responders(certificate)), crl=_usable(_lists(certificate)))
    except Fault:
        return Sources()


def _responders(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [it.access_location for it in access if it.access_method == AuthorityInformationAccessOID.OCSP]


def _lists(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    return [name for point in points for name in point.full_name or ()]


def _usable(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    urls = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(dict.fromkeys(url for url in urls if _is_http(url)))[:_URLS]


def _is_http(url: str) -> bool:
    """Whether it is a plain address: no white space, no control characters, no user's name in it."""
    if len(url) > _URL or not url.isascii() or any(not "!" <= letter <= "~" for letter in url) or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
