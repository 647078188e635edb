"""EU DSS validates exported containers, and says no to those that were changed; xmlsec1 verifies the receipt in one."""

from __future__ import annotations

import io
import os
import struct
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.archive.writing import Part, write
from adapters.testkit.pki import JAN
from broker import asic
from tests.containers import AT, LETTER, TSA, a_case, a_store, an_exporter, chain_journal
from tests.interop.dss_opinions import Question, compiled, opinions
from tests.interop.test_receipt_xmlsec1 import xmlsec1
from tests.receipts import PKI, a_seal

pytestmark = pytest.mark.interop

LATER = AT + timedelta(hours=1)
EC = PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))
BELOW = PKI.seal_ca.subordinate("Goniec Test Middle Seal CA", AT)
MIDDLE = PKI.personal(BELOW, JAN, usage=("digital_signature",))
REVOKED = PKI.personal(PKI.seal_ca, JAN, kind="ec-384", usage=("digital_signature",))


def revocation_list(authority, *revoked):
    ca = authority.credential
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(AT)
        .next_update(AT + timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(AT - timedelta(days=1)).build())
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Asked:
    """What DSS said of each container, by its name, and where they lie."""

    folder: Path
    said: dict[str, dict]


def exported(folder, name, *, document=LETTER, prune=False, **about):
    """Write the container of a case that went all its way."""
    store = a_store()
    case = a_case(store, document, stamped="stamp" in about)
    chain_journal(store)
    if prune:
        about["document"] = lambda _: None
    an_exporter(store, **about).export(case.submission.id, folder / f"{name}.asice")


def changed(folder, name, change):
    """Pack the plain container anew, with a change."""
    with ZipFile(folder / "plain.asice") as old, ZipFile(folder / f"{name}.asice", "w") as new:
        for each, content in change({one: old.read(one) for one in old.namelist()}).items():
            new.writestr(each, content, ZIP_STORED if each == asic.MIMETYPE else ZIP_DEFLATED)


def without(name):
    return lambda it: {each: content for each, content in it.items() if each != name}


CHANGES = {
    "document": lambda it: {**it, "document.xml": it["document.xml"].replace(b"pismo", b"pisma", 1)},
    "receipt": lambda it: {**it, "receipt.xml": it["receipt.xml"] + b"\n"},
    "added": lambda it: {**it, "more.txt": b"nobody sealed this"},
    "removed": without("deliveries.json"),
    "unsealed": without(asic.SIGNATURES),
    "type": lambda it: {
        **it,
        asic.SIGNATURES: it[asic.SIGNATURES].replace(b"<xades:MimeType>text/xml", b"<xades:MimeType>text/css", 1),
    },
    "time": lambda it: {**it, asic.SIGNATURES: it[asic.SIGNATURES].replace(b"SigningTime>2026", b"SigningTime>2025")},
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dss")
    exported(folder, "plain")
    exported(folder, "elliptic", seal=a_seal(EC))
    exported(folder, "stamped", stamp=TSA.token)
    exported(folder, "pruned", prune=True)
    exported(folder, "chain", seal=a_seal(MIDDLE))
    exported(folder, "revoked", seal=a_seal(REVOKED))
    exported(folder, "air", document=b"<pismo>" + b"zalacznik " * 3_000_000 + b"</pismo>")
    exported(folder, "large", document=b"<pismo>" + b64encode(os.urandom(22_000_000)) + b"</pismo>")
    odd = [Part(name="zażółć/gęślą jaźń 100% #1 & co.txt", media_type="text/plain", content=b"x")]
    write(folder / "odd.asice", odd, seal=a_seal(), at=AT)
    for name, change in CHANGES.items():
        changed(folder, f"changed-{name}", change)
    (folder / "flipped.asice").write_bytes(flipped((folder / "plain.asice").read_bytes()))
    files = {"ca.pem": PKI.seal_ca.credential.pem, "tsa.pem": PKI.local_ca.credential.pem}
    files |= {"ca.crl": revocation_list(PKI.seal_ca, REVOKED), "middle.crl": revocation_list(BELOW)}
    files |= {"tsa.crl": revocation_list(PKI.local_ca)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    names = sorted(one.stem for one in folder.glob("*.asice"))
    anchors, lists = ([folder / one for one in files if one.endswith(end)] for end in (".pem", ".crl"))
    questions = [Question(container=folder / f"{name}.asice", anchors=anchors, lists=lists, at=LATER) for name in names]
    questions.append(Question(container=folder / "plain.asice", anchors=anchors[1:], lists=lists, at=LATER))
    answers = opinions(compiled(tmp_path_factory.mktemp("classes")), questions)
    return Asked(folder, dict(zip([*names, "stranger"], answers, strict=True)))


def flipped(octets):
    """Change a letter of the document inside the ZIP, and the check sums of the ZIP with it: no damage of a transfer."""
    with ZipFile(io.BytesIO(octets)) as archive:
        document = archive.read("document.xml")
        old = archive.getinfo("document.xml").CRC
    forged = document.replace(b"pismo", b"pasmo")
    out = io.BytesIO()
    with ZipFile(io.BytesIO(octets)) as archive, ZipFile(out, "w") as new:
        for info in archive.infolist():
            new.writestr(info, forged if info.filename == "document.xml" else archive.read(info.filename))
    assert struct.pack("<L", old) not in out.getvalue()
    return out.getvalue()


@pytest.mark.parametrize("name", ["plain", "elliptic", "stamped", "pruned", "chain", "air", "large", "odd"])
def test_dss_finds_one_sound_seal_that_covers_every_file(name, asked):
    said = asked.said[name]
    assert (said["container"], said["mimetype"]) == ("ASiC-E", asic.CONTAINER)
    [seal] = said["signatures"]
    assert (seal["indication"], seal["errors"]) == ("TOTAL_PASSED", [])
    assert seal["intact"]
    assert seal["valid"]
    assert all(one["found"] and one["intact"] for one in seal["references"])
    with ZipFile(asked.folder / f"{name}.asice") as archive:
        assert {one["name"] for one in seal["references"]} - {""} == set(archive.namelist()) - set(asic.META)


def test_dss_knows_the_level_of_the_seal_and_its_time_stamp(asked):
    assert asked.said["plain"]["signatures"][0]["format"] == "XAdES-BASELINE-B"
    [stamped] = asked.said["stamped"]["signatures"]
    assert stamped["format"] == "XAdES-BASELINE-T"
    assert stamped["stamps"] == [{"intact": True, "indication": "PASSED"}]


def test_dss_says_that_a_revoked_seal_is_revoked_and_that_a_stranger_is_nobody(asked):
    [revoked] = asked.said["revoked"]["signatures"]
    assert (revoked["intact"], revoked["indication"]) == (True, "INDETERMINATE")
    assert revoked["sub"] == "REVOKED_NO_POE"
    [stranger] = asked.said["stranger"]["signatures"]
    assert (stranger["intact"], stranger["indication"]) == (True, "INDETERMINATE")
    assert stranger["sub"] == "NO_CERTIFICATE_CHAIN_FOUND"


@pytest.mark.parametrize("name", ["changed-document", "changed-receipt", "flipped"])
def test_dss_finds_a_file_that_was_changed(name, asked):
    [seal] = asked.said[name]["signatures"]
    assert seal["indication"] == "TOTAL_FAILED"
    assert len([one for one in seal["references"] if not one["intact"]]) == 1


def test_dss_finds_that_a_file_was_taken_out(asked):
    [seal] = asked.said["changed-removed"]["signatures"]
    assert (seal["indication"], seal["sub"]) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    assert len([one for one in seal["references"] if not one["found"]]) == 1


def test_dss_finds_a_file_that_was_put_in(asked):
    [seal] = asked.said["changed-added"]["signatures"]
    assert seal["indication"] == "TOTAL_FAILED"


@pytest.mark.parametrize("name", ["changed-type", "changed-time"])
def test_dss_finds_a_property_of_the_seal_that_was_changed(name, asked):
    [seal] = asked.said[name]["signatures"]
    assert seal["indication"] == "TOTAL_FAILED"


def test_dss_finds_no_seal_where_there_is_none(asked):
    assert asked.said["changed-unsealed"].get("signatures", []) == []


def test_xmlsec1_verifies_the_receipt_of_a_container_and_its_digest_is_the_documents(asked, tmp_path):
    with ZipFile(asked.folder / "plain.asice") as archive:
        receipt, document = archive.read("receipt.xml"), archive.read("document.xml")
    verdict = xmlsec1(tmp_path, receipt)
    assert verdict.returncode == 0, verdict.stderr
    assert "SignedInfo References (ok/all): 3/3" in verdict.stderr
    assert document == LETTER


def xmlsec1_of_files(folder):
    """Ask xmlsec1 about an unpacked container: it takes the URIs of the seal for files beside it."""
    (folder.parent / "anchor.pem").write_bytes(PKI.seal_ca.credential.pem)
    command = ["xmlsec1", "--verify", "--trusted-pem", "../anchor.pem", "--verification-gmt-time"]
    command += [AT.strftime("%Y-%m-%d %H:%M:%S"), "--id-attr:Id", "SignedProperties", asic.SIGNATURES]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_xmlsec1_verifies_the_seal_over_the_unpacked_files(asked, tmp_path):
    folder = tmp_path / "unpacked"
    with ZipFile(asked.folder / "plain.asice") as archive:
        archive.extractall(folder)
    verdict = xmlsec1_of_files(folder)
    assert verdict.returncode == 0, verdict.stderr
    signed = len(list(folder.rglob("*.*"))) - 2 + 1  # all but those of META-INF, and the properties
    assert f"SignedInfo References (ok/all): {signed}/{signed}" in verdict.stderr
    (folder / "document.xml").write_bytes(LETTER + b" ")
    assert xmlsec1_of_files(folder).returncode != 0
