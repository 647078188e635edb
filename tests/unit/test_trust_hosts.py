"""Which hosts and addresses may be called because a certificate names them."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.trust.fetch import Fetcher, Hosts
from adapters.wire import http
from adapters.wire.http import Address
from broker.errors import ConfigError, Unavailable

LISTED = Hosts(("crl.example", "ocsp.example:8080", "10.1.2.3", "[2001:db8::1]:8080"))
NOT_PUBLIC = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
anywhere = Address.of("http://crl.example/")


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("http://crl.example/a.crl", True),
        ("https://crl.example/a.crl", True),
        ("HTTP://CRL.Example:80/a.crl", True),
        ("http://crl.example:8080/a.crl", False),
        ("http://crl.example:443/a.crl", False),
        ("http://ocsp.example:8080/", True),
        ("https://ocsp.example:8080/", True),
        ("http://ocsp.example/", False),
        ("http://crl.example.evil.example/", False),
        ("http://evil.example#crl.example", False),
        ("http://evilcrl.example/", False),
        ("http://crl.example./", False),
        ("http://10.1.2.3/", True),
        ("http://[2001:db8::1]:8080/", True),
        ("http://169.254.169.254/latest/meta-data/", False),
        ("http://0x0a010203/", False),
        ("http://167838211/", False),
    ],
)
def test_only_a_listed_host_and_port_may_be_called(url, may):
    assert LISTED.name(Address.of(url)) is may


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ldap://crl.example/cn=CA?certificateRevocationList",
        "file:///etc/passwd",
        "//crl.example/a",
        "http://user:secret@crl.example/",
        "http://crl.example:99999/",
        "http://crl.example:x/",
        "http://[::1/",
        "http://crl.example/a b",
        "http://crl.example/\r\nHost: evil",
        "http://crl.example/" + "a" * 3000,
        "http://crl.exämple/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_plain_url_is_not_called_and_not_quoted(url):
    with pytest.raises(Unavailable) as no:
        Fetcher(hosts=LISTED).get(url)
    assert "secret" not in no.value.reason
    assert "passwd" not in no.value.reason


@pytest.mark.parametrize(
    "url", ["http://other.example/", "http://crl.example:8080/", "http://8.8.8.8/", "http://10.1.2.4/"]
)
def test_whoever_is_not_listed_is_not_even_looked_up(url, monkeypatch):
    monkeypatch.setattr(http.socket, "getaddrinfo", lambda *_: pytest.fail("looked up"))
    with pytest.raises(Unavailable, match="is not listed"):
        Fetcher(hosts=LISTED).get(url)


inside = st.sampled_from(NOT_PUBLIC).flatmap(
    lambda net: st.integers(int(net.network_address), int(net.broadcast_address)).map(IPv4Address)
)
wraps = st.sampled_from(
    [
        lambda v4: v4,
        lambda v4: IPv6Address(0xFFFF << 32 | int(v4)),  # ::ffff:a.b.c.d
        lambda v4: IPv6Address(int(v4)),  # ::a.b.c.d
        lambda v4: IPv6Address(0x2002 << 112 | int(v4) << 80 | 1),  # 6to4
        lambda v4: IPv6Address(int(IPv6Address("64:ff9b::")) | int(v4)),  # NAT64
        lambda v4: IPv6Address(0x20010000 << 96 | int(v4) << 64 | (int(v4) ^ 0xFFFFFFFF)),  # Teredo
    ]
)


@given(inside, wraps)
def test_no_address_that_is_not_public_is_called_however_it_is_wrapped(address, wrap):
    assert not Hosts(("crl.example",)).leads(anywhere, str(wrap(address)))


@pytest.mark.parametrize("where", ["::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "::", "nonsense"])
def test_no_inner_address_of_ip_version_6_is_called_either(where):
    assert not LISTED.leads(anywhere, where)


@pytest.mark.parametrize("where", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_of_a_listed_name_is_called(where):
    assert LISTED.leads(anywhere, where)


def test_an_inner_address_is_called_where_it_is_listed_itself_and_on_that_port_only():
    assert LISTED.leads(anywhere, "10.1.2.3")
    assert not LISTED.leads(Address.of("http://ocsp.example:8080/"), "10.1.2.3")
    assert not LISTED.leads(anywhere, "10.1.2.4")


@pytest.mark.parametrize(
    "entry",
    ["", "http://crl.example", "crl.example/a", "crl.example:", "crl.example:x", "a b", "::1", "*.example", "u@h"],
)
def test_an_entry_that_is_no_host_is_told(entry):
    with pytest.raises(ConfigError, match="neither HOST nor HOST:PORT"):
        Hosts(("crl.example", entry))
