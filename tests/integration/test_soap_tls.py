"""Who is let in by TLS, and on what terms: the real channel, real handshakes, certificates made for the test."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog.testing
from cryptography import x509

from adapters.channels.soap import SoapChannel
from adapters.testkit.box import Box, Reply, Submission
from adapters.testkit.certificates import Authority, Credential
from adapters.testkit.desk import Desk
from adapters.wire.soap import SOAP11
from broker.errors import ConfigError
from broker.partner import Partner, Partners, Proof
from config.exposure import open_key
from tests.partners import DAY, Cast, a_partner
from tests.soap_serving import a_channel, serving

PATIENCE = 30.0
LETTER = Submission(sender="portal", reply_to="/portal/box")


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast(tmp_path_factory.mktemp("transport"))


@pytest.fixture(scope="module")
def portal(cast: Cast) -> Credential:
    return cast.client("portal")


@pytest.fixture
def desk() -> Desk:
    return Desk()


class Register:
    """The partners as they are now; a test may change them while the channel is served."""

    def __init__(self, *partners: Partner) -> None:
        self.now = Partners(partners)

    def __call__(self) -> Partners:
        return self.now

    def become(self, *partners: Partner) -> None:
        self.now = Partners(partners)


Serve = Callable[..., str]


@pytest.fixture
def serve(cast: Cast, desk: Desk) -> Iterator[Serve]:
    """Serves over TLS with `proof = ["tls"]` for as long as the test lasts; gives the address of the box."""
    cast.server()
    with ExitStack() as ends:

        def start(register: Register, **settings: Any) -> str:
            own = {"certificate": "server.pem", "proof": ["tls"], **settings}
            channel = a_channel(folder=cast.folder, partners=register, clock=lambda: datetime.now(UTC), **own)
            return ends.enter_context(serving(desk, channel))

        yield start


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens within a second or two."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE)


def answer(line: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(line)
    response.begin()
    return response


# ── who is there ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_partner_is_known_by_its_certificate_alone(serve: Serve, cast: Cast, portal: Credential, desk: Desk) -> None:
    url = serve(Register(a_partner("portal", portal)))
    assert Box(url=url, tls=cast.context(portal)).submit(LETTER).status == 200
    assert [(one.sender, one.proof, one.once) for one in desk.envelopes] == [("portal", Proof.TLS, None)]


def test_who_shows_no_certificate_is_refused_before_it_has_sent_anything(
    serve: Serve, cast: Cast, portal: Credential, desk: Desk
) -> None:
    url = serve(Register(a_partner("portal", portal)))
    assert Box(url=url, tls=cast.context()).submit(LETTER).code() == "partner.unproven"
    with cast.context().wrap_socket(dial(url), server_hostname="127.0.0.1") as line:
        line.sendall(b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 9999999\r\n\r\n")
        assert b"partner.unproven" in answer(line).read()
    assert not desk.envelopes


def refused_in_the_handshake(url: str, context: ssl.SSLContext) -> bool:
    """Whether TLS itself turns a client away; in TLS 1.3 it learns of it when it first reads."""
    try:
        Box(url=url, tls=context).submit(LETTER)
    except OSError:
        return True
    return False


def test_a_strangers_certificate_fails_in_the_handshake_and_the_log_says_why(
    serve: Serve, cast: Cast, portal: Credential, desk: Desk
) -> None:
    """A stranger of another authority, one of the partner's own authority, and that authority itself."""
    url = serve(Register(a_partner("portal", portal)))
    elsewhere = Authority.root("Another CA", cast.now, kind="ec-256")
    with structlog.testing.capture_logs() as logs:
        for stranger in (cast.client("stranger", authority=elsewhere), cast.client("neighbour"), cast.ca.credential):
            assert refused_in_the_handshake(url, cast.context(stranger))
        until(lambda: len(logs) >= 3)
    assert {(one["event"], one["origin"]) for one in logs} == {("soap.handshake-failed", "loopback")}
    assert all(one["reason"].startswith("client's certificate: ") for one in logs)
    assert "127.0.0.1" not in repr(logs)
    assert not desk.envelopes


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_whose_certificate_is_not_taken_hears_so_in_tls(
    serve: Serve, cast: Cast, portal: Credential, version: ssl.TLSVersion
) -> None:
    url = serve(Register(a_partner("portal", portal)))
    context = cast.context(cast.client("neighbour"))
    context.maximum_version = version
    with (
        pytest.raises(ssl.SSLError, match="ALERT"),
        context.wrap_socket(dial(url), server_hostname="127.0.0.1") as line,  # done in 1.3 before it is judged
    ):
        line.recv(1)


@pytest.mark.parametrize(
    ("span", "code"),
    [({"until": -DAY}, "partner.expired"), ({"since": DAY, "until": 2 * DAY}, "partner.not-yet-valid")],
    ids=["expired", "not-yet-valid"],
)
def test_a_partner_whose_certificate_is_not_valid_now_is_told_so(
    serve: Serve, cast: Cast, desk: Desk, span: dict[str, Any], code: str
) -> None:
    late = cast.client("late", **span)
    url = serve(Register(a_partner("portal", late)))
    assert Box(url=url, tls=cast.context(late)).submit(LETTER).code() == code
    assert not desk.envelopes


def test_a_partner_cannot_use_the_id_of_another(serve: Serve, cast: Cast, portal: Credential, desk: Desk) -> None:
    other = cast.client("other")
    url = serve(Register(a_partner("portal", portal), a_partner("notary", other)))
    for claimed in ("portal", "nobody", "Notary"):
        reply = Box(url=url, tls=cast.context(other)).submit(Submission(sender=claimed))
        assert reply.code() == "partner.another"
    assert not desk.envelopes


def test_a_certificate_that_two_partners_share_speaks_for_both_and_for_no_third(
    serve: Serve, cast: Cast, portal: Credential, desk: Desk
) -> None:
    url = serve(Register(a_partner("a", portal), a_partner("b", portal), a_partner("c", cast.client("c"))))
    box = Box(url=url, tls=cast.context(portal))
    codes = [box.submit(Submission(sender=name)).status for name in ("a", "b", "c")]
    assert codes == [200, 200, 500]
    assert [one.sender for one in desk.envelopes] == ["a", "b"]


def test_a_self_signed_certificate_is_as_good_as_any_once_it_is_pinned(serve: Serve, cast: Cast, desk: Desk) -> None:
    own = cast.self_signed("own")
    url = serve(Register(a_partner("portal", own)))
    assert Box(url=url, tls=cast.context(own)).submit(LETTER).status == 200


def test_two_certificates_overlap_while_one_is_renewed(serve: Serve, cast: Cast, portal: Credential) -> None:
    renewed = cast.client("renewed")
    url = serve(Register(a_partner("portal", portal, renewed)))
    assert [Box(url=url, tls=cast.context(one)).submit(LETTER).status for one in (portal, renewed)] == [200, 200]


# ── what changes while it is served ──────────────────────────────────────────────────────────────────────


def test_a_partner_that_comes_is_let_in_and_one_that_goes_is_refused_on_its_open_connection(
    serve: Serve, cast: Cast, portal: Credential, desk: Desk
) -> None:
    register = Register(a_partner("other", cast.client("other")))
    url = serve(register)
    assert refused_in_the_handshake(url, cast.context(portal))
    register.become(a_partner("portal", portal))
    until(lambda: not refused_in_the_handshake(url, cast.context(portal)))
    line = Box(url=url, tls=cast.context(portal)).dial()
    try:
        assert over(line, LETTER).status == 200
        register.become()
        assert over(line, LETTER).code() == "partner.unknown"
    finally:
        line.close()
    until(lambda: refused_in_the_handshake(url, cast.context(portal)))


def over(line: http.client.HTTPConnection, submission: Submission) -> Reply:
    """Send over a connection that stays open."""
    line.request("POST", "/skrytka", submission.envelope(SOAP11), {"Content-Type": "text/xml", "SOAPAction": '""'})
    response = line.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(status=response.status, headers=headers, body=response.read())


def test_the_servers_own_certificate_is_renewed_without_a_restart(cast: Cast, desk: Desk, tmp_path: Path) -> None:
    first, second = cast.server("first").read_bytes(), cast.server("second").read_bytes()
    for name, content in (("tls.pem", first), ("tls.key", first)):
        (tmp_path / name).write_bytes(content)
    channel = a_channel(folder=tmp_path, certificate="tls.pem", key="tls.key")
    with serving(desk, channel) as url:

        def shown() -> int:
            with cast.context().wrap_socket(dial(url), server_hostname="127.0.0.1") as line:
                return x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"").serial_number

        def replace(name: str, content: bytes) -> None:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(tmp_path / name)

        was = shown()
        with structlog.testing.capture_logs() as logs:
            replace("tls.pem", second)
            until(lambda: any(one["event"] == "soap.tls-kept-old" for one in logs))
            assert shown() == was  # half of a renewal changes nothing
            replace("tls.key", second)
            until(lambda: any(one["event"] == "soap.tls-renewed" for one in logs))
        assert shown() == x509.load_pem_x509_certificate(second).serial_number


@pytest.mark.parametrize("environment", ["production", "test"])
def test_a_key_that_others_can_read_is_taken_in_production_when_they_no_longer_can(
    cast: Cast, desk: Desk, tmp_path: Path, environment: str
) -> None:
    """The next start would refuse it.  Elsewhere it is used, with a warning, as at a start."""
    file = tmp_path / "server.pem"
    first, second = cast.server("first").read_bytes(), cast.server("second").read_bytes()
    file.write_bytes(first)
    file.chmod(0o644)
    about = {"certificate": file.name, "signing_certificate": file.name, "proof": ["tls"]}
    with structlog.testing.capture_logs() as logs:
        channel = a_channel(folder=tmp_path, environment=environment, exposed=open_key, **about)
        assert logs == [], "whoever starts the broker asks"
        with serving(desk, channel) as url:

            def shown() -> int:
                with cast.context().wrap_socket(dial(url), server_hostname="127.0.0.1") as line:
                    return x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"").serial_number

            def told(event: str) -> bool:
                return any(one["event"] == event for one in logs)

            (tmp_path / "new").write_bytes(second)
            (tmp_path / "new").chmod(0o644)
            (tmp_path / "new").replace(file)
            was = shown()
            if environment == "production":
                until(lambda: told("soap.tls-kept-old") and told("soap.signing-kept-old"))
                assert shown() == was
                assert all("chmod 600" in problem for one in logs for problem in one.get("problems", ()))
                file.chmod(0o600)
            until(lambda: told("soap.tls-renewed") and told("soap.signing-renewed"))
            assert told("serve.secret-exposed") == (environment == "test")
            assert shown() == x509.load_pem_x509_certificate(second).serial_number


# ── what TLS is like ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_and_what_is_no_tls_are_turned_away_and_logged(serve: Serve, cast: Cast) -> None:
    url = serve(Register())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with structlog.testing.capture_logs() as logs:
        with dial(url) as line, pytest.raises(ssl.SSLError):
            old.wrap_socket(line)
        with dial(url) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not line.recv(1000).startswith(b"HTTP")
        until(lambda: len(logs) >= 2)
    assert [one["reason"] for one in logs] == ["unsupported protocol", "http request"]


def test_tls_1_2_is_spoken_with_forward_secrecy(serve: Serve, cast: Cast, portal: Credential) -> None:
    url = serve(Register(a_partner("portal", portal)))
    context = cast.context(portal)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with context.wrap_socket(dial(url), server_hostname="127.0.0.1") as line:
        name, version, _ = line.cipher() or ("", "", 0)
    assert (name.startswith("ECDHE-"), "GCM" in name or "CHACHA" in name, version) == (True, True, "TLSv1.2")
    assert Box(url=url, tls=context).submit(LETTER).status == 200


def test_a_client_that_stalls_in_the_handshake_is_cut_off_and_logged(serve: Serve) -> None:
    url = serve(Register(), patience=0.3)
    with structlog.testing.capture_logs() as logs:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01"):
            with dial(url) as line:
                line.sendall(sent)
                assert line.recv(1) == b""
        until(lambda: len(logs) == 2)
    assert [(one["event"], one["reason"]) for one in logs] == [("soap.handshake-failed", "too slow")] * 2


def test_one_who_causes_a_flood_of_failures_does_not_flood_the_log(serve: Serve) -> None:
    url = serve(Register())
    with structlog.testing.capture_logs() as logs:
        for _ in range(40):
            with dial(url) as line:
                line.sendall(b"no TLS at all\r\n\r\n")
                line.recv(1000)
    assert len(logs) == 20


def test_anybody_may_see_the_description_whether_it_lives_and_the_certificates_of_the_seals(
    cast: Cast, desk: Desk, portal: Credential
) -> None:
    bundle = b"-----BEGIN CERTIFICATE-----\n"
    cast.server()
    with serving(
        desk,
        folder=cast.folder,
        certificate="server.pem",
        proof=["tls"],
        seals=lambda: bundle,
        partners=Register(a_partner("portal", portal)),
    ) as url:
        found = {}
        for path in ("/skrytka?wsdl", "/healthz", "/seals.pem"):
            line = Box(url=url, tls=cast.context()).dial()
            line.request("GET", path)
            found[path] = line.getresponse().read()
            line.close()
    assert found["/seals.pem"] == bundle
    assert found["/healthz"] == b'{"status":"ok"}'
    assert f'location="{url}"'.encode() in found["/skrytka?wsdl"]


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_encrypted_key_is_opened_by_its_password(cast: Cast, desk: Desk) -> None:
    cast.server("hidden", password=b"secret word")
    (cast.folder / "password").write_text("secret word\n")
    settings = {"certificate": "hidden.pem", "key_password_file": "password"}
    with serving(desk, folder=cast.folder, **settings) as url:
        assert Box(url=url, tls=cast.context()).submit(Submission()).status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"certificate": "missing.pem"},
        {"certificate": "hidden.pem"},
        {"certificate": "hidden.pem", "key_password_file": "wrong"},
        {"certificate": "hidden.pem", "key_password_variable": "GONIEC_TEST_NO_SUCH_VARIABLE"},
        {"certificate": "server.pem", "key": "another.pem"},
        {"certificate": "server.pem", "key": "ca.pem"},
        {"certificate": "ca.pem"},
        {"signing_certificate": "missing.pem"},
        {"signing_certificate": "ca.pem"},
        {"signing_certificate": "server.pem", "signing_key": "another.pem"},
    ],
    ids=lambda settings: " ".join(settings.values()),
)
def test_files_that_do_not_make_a_server_are_configuration_errors(cast: Cast, settings: dict[str, str]) -> None:
    cast.server("hidden", password=b"secret word")
    cast.server("server")
    cast.server("another")
    (cast.folder / "wrong").write_text("another word\n")
    (cast.folder / "ca.pem").write_bytes(cast.ca.credential.pem)
    with pytest.raises(ConfigError) as wrong:
        a_channel(folder=cast.folder, **settings)
    assert "word" not in str(wrong.value).replace("password", "")


def test_a_partner_that_wants_signed_answers_needs_a_key_to_sign_them_by(cast: Cast, portal: Credential) -> None:
    register = Register(a_partner("portal", portal, sign_replies=True))
    with pytest.raises(ConfigError, match="sign_replies is set for portal"):
        a_channel(partners=register, proof=["ws-security"])
    cast.server()
    for settings in ({"proof": ["ws-security"], "signing_certificate": "server.pem"}, {"proof": []}):
        assert isinstance(a_channel(partners=register, folder=cast.folder, **settings), SoapChannel)
