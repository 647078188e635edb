"""The foreign clients that sign by WS-Security, each as a function that sends one document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.testkit.certificates import Credential
from tests.interop.conftest import HERE, ROOT, run
from tests.partners import Cast

SENDER = "urzad"


@dataclass(frozen=True)
class Guarded:
    """A box behind TLS that believes signed messages only, and a partner who has a certificate."""

    url: str
    box: str
    cast: Cast
    partner: Credential
    signer: Path  # the certificate of answers

    @property
    def ca(self) -> Path:
        path = self.cast.folder / "ca.pem"
        path.write_bytes(self.cast.ca.credential.pem)
        return path

    def pem(self, credential: Credential) -> Path:
        return self.cast.write(f"sender-{credential.certificate.serial_number:x}", credential)


Send = Callable[[Guarded, Credential, Path, str], dict[str, Any]]


def _zeep(covers: str) -> Send:
    def send(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
        program = HERE / "zeep" / "submit.py"
        files = goniec.pem(by), goniec.ca, goniec.signer
        return run(
            ["/usr/bin/python3", program, f"{goniec.url}?wsdl", form, goniec.box, SENDER, *files, covers, version]
        )

    return send


def _node(covers: str) -> Send:
    def send(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
        port = "skrytka12" if version == "1.2" else "skrytka"
        return run(
            [
                "node",
                HERE / "node" / "submit_wss.js",
                f"{goniec.url}?wsdl",
                form,
                goniec.box,
                port,
                SENDER,
                goniec.pem(by),
                covers,
            ],
            NODE_PATH=ROOT / "var" / "interop" / "node_modules",
            NODE_EXTRA_CA_CERTS=goniec.ca,
        )

    return send


def _gsoap(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
    program = ROOT / "var" / "interop" / "gsoap" / f"submit-{version}"
    # A stranger's refusal is not signed, for nobody has asked for that; gSOAP would not even show it.
    reply = "signed" if by is goniec.partner else "unsigned"
    return run([program, goniec.url, form, goniec.box, SENDER, goniec.pem(by), goniec.ca, reply])


SIGNING_ALL = {"zeep": _zeep("headers"), "node": _node("headers"), "gsoap": _gsoap}
SIGNING_BODY = {"zeep": _zeep("body"), "node": _node("body")}
