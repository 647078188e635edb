"""Fetching from addresses that stand in certificates: from hosts that the operator listed, and nobody else.

A certificate's URLs are written by whoever issued it, and a hostile one is signed by somebody too: followed blindly,
they would make the broker call whatever its network lets it reach (SSRF).  So a URL must name a listed host and port;
where its name leads is asked once, addresses that are not public are passed over unless they are listed themselves,
and the very address that was judged is called (no second look-up to answer differently).  Redirections are not
followed, compressed answers not unpacked, and time and size have one cap for the whole call (`adapters/wire/http.py`).
"""

from __future__ import annotations

import functools
import ipaddress
import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import urlsplit

from adapters.wire.http import Address, Answer, Http
from broker.errors import ConfigError, Unavailable

_LONGEST_URL: Final = 2000  # characters: a certificate may hold anything
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")  # the IPv4 address behind NAT64 (RFC 6052 §2.1)
_USUAL: Final = {False: 80, True: 443}  # by whether it is TLS

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Hosts:
    """The allow-list: `crl.example` (its usual ports), `ocsp.example:8080`, `10.1.2.3`, `[2001:db8::1]:8080`.

    A host that answers from an address that is not public (the offices' own CA, say) needs two entries: its name,
    and that address.  Raises ConfigError with every entry that cannot be read.
    """

    listed: tuple[str, ...] = ()
    _names: frozenset[tuple[str, int | None]] = field(init=False)
    _addresses: frozenset[tuple[Ip, int | None]] = field(init=False)

    def __post_init__(self) -> None:
        names: set[tuple[str, int | None]] = set()
        addresses: set[tuple[Ip, int | None]] = set()
        wrong: list[str] = []
        for text in self.listed:
            try:
                host, port = _entry(text)
            except ValueError:
                wrong.append(f"{text!r} is neither HOST nor HOST:PORT")
                continue
            names.add((host, port))
            if (address := _literal(host)) is not None:
                addresses.add((address, port))
        if wrong:
            raise ConfigError(wrong)
        object.__setattr__(self, "_names", frozenset(names))
        object.__setattr__(self, "_addresses", frozenset(addresses))

    def name(self, address: Address) -> bool:
        """Tell whether a URL with this host and port may be called at all."""
        usual = address.port == _USUAL[address.tls]
        return (address.host, address.port) in self._names or (usual and (address.host, None) in self._names)

    def leads(self, address: Address, where: str) -> bool:
        """Tell whether the address to which its name leads may be connected to: a public one, or one listed."""
        found = _literal(where.partition("%")[0])
        if found is None:
            return False
        listed = (found, address.port) in self._addresses
        usual = address.port == _USUAL[address.tls] and (found, None) in self._addresses
        return listed or usual or _public(found)


def _entry(text: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{text}")
    host = parts.hostname or ""
    if parts.netloc != text or parts.username is not None or text.endswith(":"):
        raise ValueError
    if _literal(host) is None and not _HOST.fullmatch(host):
        raise ValueError
    return host, parts.port


def _literal(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _public(address: Ip) -> bool:
    """Tell whether an address is of the open internet, also one that is wrapped into another kind."""
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return _public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.teredo is not None:
            return False  # it names two more, and who routes between them is nobody's word
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@functools.cache
def _system() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Fetches; many threads may.  Each call opens a connection of its own and ends within `deadline`.

    `most` is how many bytes an answer may have; `tls` is whom to believe about servers, the system's store by
    default.  Whatever goes wrong is an Unavailable that names the host and what went wrong, and no more.
    """

    hosts: Hosts
    deadline: timedelta = timedelta(seconds=10)
    most: int = 10_000_000
    tls: ssl.SSLContext | None = None

    def get(self, url: str, types: Collection[str] = ()) -> bytes:
        """Return what stands at a URL; `types` are the media types that it may have, any if none is named."""
        return self._call("GET", url, {}, (), types)

    def post(self, url: str, body: bytes, content_type: str, types: Collection[str] = ()) -> bytes:
        """Send a body and return the answer."""
        return self._call("POST", url, {"Content-Type": content_type}, (body,), types)

    def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: tuple[bytes, ...], types: Collection[str]
    ) -> bytes:
        address = self.address(url)
        http = Http(
            address,
            tls=(self.tls or _system()) if address.tls else None,
            deadline=self.deadline.total_seconds(),
            most=self.most,
            permit=lambda where: self.hosts.leads(address, where),
        )
        try:
            answer = http.call(method, {"User-Agent": "goniec", "Connection": "close", **headers}, body)
        except Unavailable as away:
            raise Unavailable(f"{address.host}: {away.reason}") from away
        finally:
            http.close()
        return _content(answer, address.host, types)

    def address(self, url: str) -> Address:
        """Return where to call; raise Unavailable if it may not be called."""
        if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise Unavailable("an address that is no URL")
        try:
            address = Address.of(url)
        except ValueError as wrong:
            raise Unavailable("an address that is not http:// or https://, or holds credentials") from wrong
        if not self.hosts.name(address):
            raise Unavailable(f"{address.host}:{address.port} is not listed")
        return address


def _content(answer: Answer, host: str, types: Collection[str]) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"{host}: answered with status {answer.status}")
    # Nobody asked for it to be packed; unpacking is what a bomb waits for.
    if answer.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Unavailable(f"{host}: answered packed")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if types and kind not in types:
        raise Unavailable(f"{host}: answered with another kind of content")
    return answer.body
