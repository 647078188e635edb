"""A SOAP office over TLS, with a CA of our own and a client certificate."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.offices.soap import KIND, SoapOffice
from adapters.testkit.certificates import Authority, Credential, distinguished, key
from adapters.testkit.dms import MockDms
from broker.errors import ConfigError, Unavailable
from tests.around import a_parcel, surroundings

NOW = datetime.now(UTC)  # TLS looks at the machine's clock


def issue(ca: Authority, name: str, *, address: str = "", days: int = 30) -> Credential:
    extras: list[tuple[x509.ExtensionType, bool]] = []
    if address:
        extras.append((x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False))
    usage = ExtendedKeyUsageOID.SERVER_AUTH if address else ExtendedKeyUsageOID.CLIENT_AUTH
    extras.append((x509.ExtendedKeyUsage([usage]), False))
    return ca.issue(
        distinguished(common_name=name, organisation="Goniec test PKI"),
        key(name, "ec-256"),
        not_before=NOW - timedelta(days=60),
        not_after=NOW + timedelta(days=days),
        usage=("digital_signature",),
        extras=extras,
    )


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PEM files: ca, other-ca, and credentials with certificate and key in one file."""
    folder = tmp_path_factory.mktemp("pki")
    ca, other = (Authority.root(name, NOW, kind="ec-256") for name in ("Office CA", "Other CA"))
    (folder / "ca.pem").write_bytes(ca.credential.pem)
    (folder / "other-ca.pem").write_bytes(other.credential.pem)
    for name, credential in {
        "server": issue(ca, "server", address="127.0.0.1"),
        "elsewhere": issue(ca, "elsewhere", address="127.0.0.9"),
        "expired": issue(ca, "expired", address="127.0.0.1", days=-1),
        "broker": issue(ca, "broker"),
        "stranger": issue(other, "stranger"),
    }.items():
        (folder / f"{name}.pem").write_bytes(credential.pem + credential.key_pem)
        (folder / f"{name}.crt").write_bytes(credential.pem)
        (folder / f"{name}.key").write_bytes(credential.key_pem)
    encrypted = key("broker", "ec-256").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (folder / "encrypted.key").write_bytes(encrypted)
    return folder


Serve = Callable[..., MockDms]


@pytest.fixture
def serve(pki: Path) -> Iterator[Serve]:
    started: list[MockDms] = []

    def start(credential: str = "server", *, clients: bool = True) -> MockDms:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / f"{credential}.pem")
        if clients:
            context.load_verify_locations(pki / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        started.append(MockDms(tls=context).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def office(pki: Path) -> Iterator[Callable[..., SoapOffice]]:
    made: list[SoapOffice] = []

    def make(dms: MockDms, **settings: object) -> SoapOffice:
        own = KIND.settings(**{"url": dms.url(), "ca": "ca.pem", "client_certificate": "broker.pem", **settings})
        made.append(KIND.make(own, surroundings(pki)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "files",
    [{"client_certificate": "broker.pem"}, {"client_certificate": "broker.crt", "client_key": "broker.key"}],
    ids=["one-file", "two-files"],
)
def test_both_sides_show_their_certificates_and_the_connection_is_kept(serve, office, files):
    dms = serve()
    one = office(dms, **files)
    one.check()
    documents = [b"<a>1</a>\n\n", b"<a>" + b"x" * 4_000_000 + b"</a>", b"<a>3</a>"]
    for document in documents:
        one.deliver(a_parcel(document))
    assert [got.document for got in dms.received] == documents
    assert dms.connections == 1


@pytest.mark.parametrize(
    ("credential", "settings"),
    [
        ("server", {"ca": "other-ca.pem"}),
        ("server", {"ca": None}),
        ("elsewhere", {}),
        ("expired", {}),
    ],
    ids=["unknown-ca", "system-authorities", "another-name", "expired"],
)
def test_an_office_that_cannot_prove_who_it_is_gets_nothing(serve, office, credential, settings):
    dms = serve(credential, clients=False)
    one = office(dms, **settings)
    with pytest.raises(Unavailable, match="certificate"):
        one.deliver(a_parcel())
    with pytest.raises(Unavailable, match="certificate"):
        one.check()
    assert not dms.received


@pytest.mark.parametrize("settings", [{"client_certificate": None}, {"client_certificate": "stranger.pem"}])
def test_an_office_that_does_not_know_us_is_unavailable(serve, office, settings):
    dms = serve()
    with pytest.raises(Unavailable):
        office(dms, **settings).deliver(a_parcel())
    assert not dms.received


def test_plain_http_to_a_tls_port_is_unavailable(serve, office):
    dms = serve()
    plain = dms.url().replace("https:", "http:")
    with pytest.raises(Unavailable):
        office(dms, url=plain, ca=None, client_certificate=None).deliver(a_parcel())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ca": "missing.pem"}, "ca"),
        ({"ca": "broker.key"}, "ca"),
        ({"client_certificate": "missing.pem"}, "client_certificate"),
        ({"client_certificate": "broker.crt"}, "client_certificate"),
        ({"client_certificate": "broker.crt", "client_key": "server.key"}, "client_certificate"),
        ({"client_certificate": "broker.crt", "client_key": "encrypted.key"}, "client_certificate"),
    ],
    ids=["no-ca", "ca-is-a-key", "no-certificate", "no-key", "another-key", "encrypted-key"],
)
def test_files_that_do_not_fit_are_configuration_errors(pki, settings, named):
    own = KIND.settings(**{"url": "https://127.0.0.1/", "ca": "ca.pem", **settings})
    with pytest.raises(ConfigError) as wrong:
        KIND.make(own, surroundings(pki))
    assert [problem.partition(":")[0].partition(",")[0] for problem in wrong.value.problems] == [named]
