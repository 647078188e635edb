"""The broker's seals.  The listing of this folder is the list of kinds; a file's format tells itself."""

from __future__ import annotations

from adapters.seals import pkcs11, pkcs12
from adapters.wire.kind import SealKind

KINDS: dict[str, SealKind] = {"pem": pkcs12.KIND, "pkcs11": pkcs11.KIND, "pkcs12": pkcs12.KIND}
