"""xmlsec1 agrees about signed messages: with the testkit's clients, with our replies, and about what was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapters.testkit.box import Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.wss import ALL, EPUAP, NODE, WSU, ZEEP, Recipe, secure
from adapters.wire import ob, soap, wss
from adapters.wire.soap import SOAP11, SOAP12, WSA, Version
from broker.parse import Limits
from tests.corpus.verify.scene import AT, PKI

pytestmark = pytest.mark.interop

VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
KEYS = pytest.mark.parametrize("by", [PKI.local_person, PKI.elliptic_person], ids=["rsa", "ec"])


def holds(message: bytes, by: Credential, version: Version, folder: Path) -> bool:
    """Whether xmlsec1 accepts the signature as made by this key; it looks for Ids where it is told to."""
    file, key = folder / "message.xml", folder / "key.pem"
    file.write_bytes(message)
    key.write_bytes(by.pem)
    names = [("Body", version.namespace), *((name, ob.NS) for name in HEADERS), ("RelatesTo", WSA), ("Timestamp", WSU)]
    names += [("BinarySecurityToken", soap.WSSE)]
    ids = [word for name, space in names for word in ("--id-attr:Id", f"{space}:{name}")]
    done = subprocess.run(
        ["xmlsec1", "--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", str(key), *ids, str(file)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0


HEADERS = ["IdentyfikatorPodmiotu", "AdresSkrytki", "AdresOdpowiedzi", "CzyProbne", "DaneDodatkowe"]
RECIPES = {
    "all": ALL,
    "zeep": ZEEP,
    "node": NODE,
    "epuap": EPUAP,
    "prefixes": Recipe(prefixes="soap wsse"),
    "default": Recipe(prefixes="#default ob"),
}


@VERSIONS
@KEYS
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_what_the_testkit_signs_both_accept_and_what_was_changed_neither(
    version: Version, by: Credential, recipe: str, tmp_path: Path
) -> None:
    envelope = Submission().envelope(version).replace(b"<soap:Envelope ", b'<soap:Envelope xmlns="urn:default" ')
    message = secure(envelope, by, AT, RECIPES[recipe])
    assert wss.read(soap.read(message, Limits()), AT) is not None
    assert holds(message, by, version, tmp_path)
    assert not holds(message.replace(b"letter.xml", b"lettre.xml"), by, version, tmp_path)
    assert not holds(message, PKI.stranger, version, tmp_path)


@VERSIONS
@KEYS
def test_what_we_sign_it_accepts(version: Version, by: Credential, tmp_path: Path) -> None:
    said = ob.write_box_answer(ob.Answer(code=1, message='"Zażółć" <&>\r\n', document="d", receipt="r"))
    relates = f'<wsa:RelatesTo xmlns:wsa="{WSA}">urn:m-1</wsa:RelatesTo>'.encode()
    reply = wss.sign(version, soap.write(version, said, relates), by.key, by.certificate, AT)
    assert holds(reply, by, version, tmp_path)
    assert not holds(reply.replace(b"urn:m-1", b"urn:m-2"), by, version, tmp_path)
