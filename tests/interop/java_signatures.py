"""The JDK's own XML signatures, asked through a small program that is compiled once a test run (`java/Verify.java`)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

SOURCE = Path(__file__).parent / "java" / "Verify.java"
Case = tuple[bytes, Sequence[x509.Certificate]]
"""A document, and the certificate of each signature that must hold."""


def compiled(folder: Path) -> Path:
    """Compile the program into a folder; return the folder."""
    if shutil.which("javac") is None:
        raise AssertionError("the JDK is missing: set the peers up with `make interop`")
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", str(folder), str(SOURCE)], check=True, timeout=120)
    return folder


def opinions(classes: Path, folder: Path, cases: Sequence[Case]) -> list[str]:
    """Return for each case "yes", "no <why>" or "cannot <why>": one process for all of them."""
    lines = []
    for number, (document, signers) in enumerate(cases):
        file = folder / f"{number}.xml"
        file.write_bytes(document)
        certificates = []
        for place, signer in enumerate(signers):
            certificate = folder / f"{number}-{place}.pem"
            certificate.write_bytes(signer.public_bytes(Encoding.PEM))
            certificates.append(str(certificate))
        lines.append(f"{file}\t{','.join(certificates)}\n")
    command = ["java", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", str(classes), "Verify"]
    done = subprocess.run(command, input="".join(lines).encode(), capture_output=True, timeout=300, check=True)
    return done.stdout.decode().splitlines()
