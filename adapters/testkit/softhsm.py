"""A PKCS#11 token to test with: SoftHSM (Debian's `softhsm2`), its keys in a folder of the test's own.

    hsm = SoftHsm(folder)                        # an empty token, labelled `goniec`
    hsm.put(credential, label="seal-2026")       # a key and its certificate
    with hsm.configured(): ...                   # SOFTHSM2_CONF names it, for this process and its children
    hsm.take_away(); hsm.bring_back()            # as if the device were unplugged

The library is one for a process and reads its configuration when it is initialised.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.certificates import Credential

MODULE: Final = "/usr/lib/softhsm/libsofthsm2.so"
LABEL: Final = "goniec"
PIN: Final = "2468-test"

# In a process of its own: python-pkcs11 initialises the library its own way.
_STORE: Final = """
import sys, pkcs11
from pkcs11 import Attribute, CertificateType, ObjectClass
module, token, pin, label, id_ = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin, rw=True) as session:
    session.create_object({
        Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.ID: bytes.fromhex(id_),
        Attribute.SUBJECT: b"", Attribute.VALUE: sys.stdin.buffer.read(),
    })
"""


class SoftHsm:
    """One token, and the folder that is its device."""

    def __init__(self, folder: Path, like: SoftHsm | None = None) -> None:
        """Make an empty token, or one that is `like` another as it is now."""
        self.device = folder / "tokens"
        self._away = folder / "unplugged"
        if like is None:
            self.device.mkdir(parents=True)
        else:
            shutil.copytree(like.device, self.device)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self.device}\nobjectstore.backend = file\nlog.level = ERROR\n", encoding="utf-8"
        )
        if like is None:
            self._util("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", f"{PIN}-so")

    def put(self, credential: Credential, *, label: str, id_: str = "01", certificate: bool = True) -> None:
        """Store a key, and its certificate under the same label and id."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(credential.key_pem)
            file.flush()
            self._util("--import", file.name, "--token", LABEL, "--label", label, "--id", id_, "--pin", PIN)
        if certificate:
            self._run(
                [sys.executable, "-c", _STORE, MODULE, LABEL, PIN, label, id_],
                credential.certificate.public_bytes(Encoding.DER),
            )

    def take_away(self) -> None:
        """Unplug it."""
        self.device.rename(self._away)

    def bring_back(self) -> None:
        """Plug it in again."""
        self._away.rename(self.device)

    @contextmanager
    def configured(self) -> Iterator[None]:
        """Be the token that the library of this process, and of those it starts, finds when it is initialised."""
        before = os.environ.get("SOFTHSM2_CONF")
        os.environ["SOFTHSM2_CONF"] = str(self.configuration)
        try:
            yield
        finally:
            if before is None:
                del os.environ["SOFTHSM2_CONF"]
            else:
                os.environ["SOFTHSM2_CONF"] = before

    def _util(self, *words: str) -> None:
        self._run(["softhsm2-util", *words])

    def _run(self, command: list[str], said: bytes = b"") -> None:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(command, input=said, env=environment, capture_output=True, check=True)  # noqa: S603 - our own words
