"""Certificates of partners that will never be let in, or that are not one partner's alone, are told by `goniec check`.

What is told of TLS is held against TLS itself: a handshake in memory, by the context that the channel serves with.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.channels.soap.settings import SoapSettings
from adapters.channels.soap.tls import Tls
from adapters.testkit.certificates import Credential, distinguished, key
from adapters.testkit.wss import secure
from adapters.wire import soap, wss
from broker.errors import Unauthorised
from broker.parse import Limits
from broker.partner import Partner, Partners, fingerprint
from config.partner_certificates import about_certificates
from config.settings import PartnerEntry, Settings
from tests.partners import DAY, Cast

NOW = datetime.now(UTC)
EC = ec.generate_private_key(ec.SECP256R1())
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
ENVELOPE = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body><a/></s:Body></s:Envelope>'
)


def made(key, *extensions, critical=False, until=60 * DAY):
    name = distinguished(common_name="partner", organisation="Goniec test PKI")
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - DAY).not_valid_after(NOW + until)
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return Credential(key=key, certificate=builder.sign(key, None if edwards else hashes.SHA256()))


def purposes(*oids):
    return x509.ExtendedKeyUsage(oids)


def usage(*named):
    return x509.KeyUsage(*(one in named for one in USAGES))


CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
GOOD = {
    "for no purpose": made(EC),
    "RSA of 2048 bits": made(rsa.generate_private_key(65537, 2048)),
    "P-384": made(ec.generate_private_key(ec.SECP384R1())),
    "P-521": made(ec.generate_private_key(ec.SECP521R1())),
    "Ed25519": made(ed25519.Ed25519PrivateKey.generate()),
    "for clients": made(EC, purposes(CLIENT)),
    "for both": made(EC, purposes(SERVER, CLIENT)),
    "for signatures": made(EC, usage("digital_signature")),
    "for agreements": made(EC, usage("key_agreement")),
    "an authority's": made(EC, x509.BasicConstraints(ca=True, path_length=None)),
}
BAD = {
    "RSA of 1024 bits": (made(rsa.generate_private_key(65537, 1024)), "its RSA key of 1024 bits"),
    "P-224": (made(ec.generate_private_key(ec.SECP224R1())), "the curve secp224r1"),
    "Brainpool": (made(ec.generate_private_key(ec.BrainpoolP256R1())), "the curve brainpoolP256r1"),
    "for servers": (made(EC, purposes(SERVER)), "extendedKeyUsage has no clientAuth"),
    "for anything": (made(EC, purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)), "has no clientAuth"),
    "for contents": (made(EC, usage("content_commitment")), "keyUsage has no digitalSignature"),
    "for other keys": (made(EC, usage("key_encipherment")), "keyUsage has no digitalSignature"),
    "for issuing": (made(EC, usage("key_cert_sign")), "keyUsage has no digitalSignature"),
    "of unknown meaning": (
        made(EC, x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), critical=True),
        "its critical extension 1.2.3.4 is unknown",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    it = Cast(tmp_path_factory.mktemp("tls"))
    it.server()
    return it


def told(folder, proof=("tls", "ws-security"), covers="headers", **partners):
    """Return the warnings about partners who have these credentials, each in a file `<partner>-<number>.pem`."""
    entries = {}
    for id_, credentials in partners.items():
        files = [folder / f"{id_}-{number}.pem" for number, _ in enumerate(credentials)]
        for file, one in zip(files, credentials, strict=True):
            file.write_bytes(one.certificate.public_bytes(Encoding.PEM))
        entries[id_] = PartnerEntry(certificates=tuple(file.relative_to(folder) for file in files), covers=covers)
    channel = {"kind": "soap"} | ({} if proof is None else {"proof": list(proof)})
    settings = Settings(seal={"kind": "pem"}, partners=entries, channels={"secure": channel}, folder=folder)
    return list(about_certificates(settings, NOW))


def let_in(cast, credential, version):
    """Whether the channel's TLS lets this client in, proven by its certificate."""
    known = Partners([Partner(id="portal", certificates=(credential.certificate,))])
    own = SoapSettings(certificate="server.pem", proof=["tls"])
    tls = Tls(own, folder=cast.folder, partners=lambda: known, clock=lambda: NOW, channel="secure").context
    theirs = ssl.create_default_context(cadata=cast.ca.credential.pem.decode())
    theirs.set_ciphers("ALL:@SECLEVEL=0")
    theirs.minimum_version = theirs.maximum_version = version
    hidden = credential.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = cast.folder / "client.pem"
    file.write_bytes(credential.certificate.public_bytes(Encoding.PEM) + hidden)
    theirs.load_cert_chain(file)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls.wrap_bio(up, down, server_side=True)
    client = theirs.wrap_bio(down, up, server_hostname="127.0.0.1")
    try:
        for _ in range(5):
            for side in (client, server):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLError:
        return False
    return server.getpeercert(binary_form=True) is not None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", GOOD)
def test_of_what_tls_lets_in_nothing_is_told(cast, tmp_path, name, version):
    assert told(tmp_path, portal=[GOOD[name]]) == []
    assert let_in(cast, GOOD[name], version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", BAD)
def test_what_tls_refuses_is_told_by_partner_and_file(cast, tmp_path, name, version):
    credential, words = BAD[name]
    (warning,) = told(tmp_path, portal=[GOOD["for no purpose"], credential], proof=["tls"])
    who = f"partners.portal.certificates: portal-1.pem, SHA-256 {fingerprint(credential.certificate)}: "
    assert warning.startswith(who)
    assert words in warning
    assert not let_in(cast, credential, version)


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        (GOOD["Ed25519"], "EdDSA"),
        (BAD["RSA of 1024 bits"][0], "its RSA key of 1024 bits"),
        (made(key("exponents", "rsa-2048-33")), "an exponent of at most 32 bits"),
        (BAD["P-224"][0], "the curve secp224r1"),
        (BAD["Brainpool"][0], ""),
        (BAD["for servers"][0], ""),
        (BAD["for contents"][0], ""),
    ],
    ids=["ed25519", "rsa-1024", "exponent", "p-224", "brainpool", "server", "content"],
)
def test_where_messages_are_signed_only_what_no_signature_can_be_made_by_is_told(tmp_path, credential, words):
    warnings = told(tmp_path, portal=[credential], proof=["ws-security"])
    assert bool(warnings) == bool(words)
    assert all(words in one for one in warnings)
    if isinstance(credential.key, ed25519.Ed25519PrivateKey):
        return  # no way to sign such a message is known
    message = soap.read(secure(ENVELOPE, credential, NOW), Limits())
    if words:
        with pytest.raises(Unauthorised, match=r"wss\.key-short"):
            wss.read(message, NOW)
    else:
        assert wss.read(message, NOW) is not None


def test_a_key_of_another_sort_is_told_though_tls_1_2_would_still_take_it(cast, tmp_path):
    old = made(dsa.generate_private_key(2048))
    (warning,) = told(tmp_path, portal=[old])
    assert "its key is neither RSA nor of an elliptic curve" in warning
    assert not let_in(cast, old, ssl.TLSVersion.TLSv1_3)


def test_where_no_way_in_asks_as_yet_all_is_told(tmp_path):
    for proof in (None, ()):
        assert len(told(tmp_path, portal=[BAD["for servers"][0]], proof=proof)) == 1


def test_a_key_that_cannot_be_read_is_told_and_no_bug(tmp_path):
    """An elliptic curve that no library here knows: the OID of P-256 with its last arc changed."""
    der = EC.public_key()
    changed = (
        GOOD["for no purpose"]
        .certificate.public_bytes(Encoding.DER)
        .replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f"))
    )
    strange = x509.load_der_x509_certificate(changed)
    assert der.curve.name == "secp256r1"
    (warning,) = told(tmp_path, portal=[SimpleNamespace(certificate=strange)])
    assert "cannot be read" in warning


# ── not one partner's alone ──


def test_two_partners_with_one_key_are_told_and_one_that_keeps_its_key_is_not(tmp_path):
    first, second = made(EC), made(EC)
    assert told(tmp_path, portal=[first, second], notary=[GOOD["P-384"]]) == []
    (warning,) = told(tmp_path, portal=[GOOD["P-384"], first], notary=[second])
    assert warning.startswith("partners.notary.certificates: notary-0.pem, SHA-256 ")
    assert "has the key of portal-1.pem at partners.portal" in warning
    assert "ask notary for a key of its own" in warning


def test_two_partners_whose_certificates_look_alike_are_told(tmp_path):
    """By what a message may name a certificate; of one partner's two nothing is told, nor of one key."""
    good = GOOD["P-384"].certificate
    own = x509.SubjectKeyIdentifier.from_public_key(good.public_key())
    key = ec.generate_private_key(ec.SECP256R1())

    def like(serial, *extensions):
        builder = x509.CertificateBuilder().subject_name(good.subject).issuer_name(good.issuer)
        builder = builder.public_key(key.public_key()).serial_number(serial)
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + 60 * DAY)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return Credential(key=key, certificate=builder.sign(key, hashes.SHA256()))

    key_id, serial = like(7, own), like(good.serial_number)
    for other, words in ((key_id, "SubjectKeyIdentifier"), (serial, "issuer and serial number")):
        (warning,) = told(tmp_path, portal=[GOOD["P-384"]], anna=[GOOD["P-521"], other])
        assert warning.startswith("partners.anna.certificates: anna-1.pem, SHA-256 ")
        assert f"has the {words} of portal-0.pem at partners.portal, and another key" in warning
        assert told(tmp_path, portal=[GOOD["P-384"], other]) == []
        assert told(tmp_path, portal=[GOOD["P-384"]], anna=[other], proof=["tls"]) == []
    assert len(told(tmp_path, portal=[GOOD["P-384"]], anna=[like(good.serial_number, own)])) == 2


def test_one_certificate_for_several_offices_is_no_fault_unless_the_body_alone_is_signed(tmp_path):
    shared = [made(EC)]
    assert told(tmp_path, town=shared, village=shared) == []
    assert told(tmp_path, town=shared, village=shared, covers="body", proof=["tls"]) == []
    warnings = told(tmp_path, town=shared, village=shared, covers="body")
    assert [warning.partition(":")[0] for warning in warnings] == ["partners.town.covers", "partners.village.covers"]
    assert "is also that of village" in warnings[0]
    assert "IdentyfikatorPodmiotu must be signed" in warnings[0]
    assert told(tmp_path, town=shared, village=[GOOD["P-384"]], covers="body") == []


def test_when_it_counts_is_told_with_the_file(tmp_path):
    (warning,) = told(tmp_path, portal=[made(EC, until=timedelta(days=3))])
    assert warning.startswith("partners.portal.certificates: portal-0.pem, SHA-256 ")
    assert "the certificate ends on " in warning


def test_a_file_that_is_not_there_is_told_by_who_needs_it(tmp_path):
    settings = Settings(
        seal={"kind": "pem"}, partners={"portal": PartnerEntry(certificates=("lost.pem",))}, folder=tmp_path
    )
    assert list(about_certificates(settings, NOW)) == []
