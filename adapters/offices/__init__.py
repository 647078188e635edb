"""The ways out.  The listing of this folder is the list of built-in kinds."""

from __future__ import annotations

from adapters.offices import amqp, directory, soap
from adapters.wire.kind import OfficeKind

KINDS: dict[str, OfficeKind] = {"amqp": amqp.KIND, "directory": directory.KIND, "soap": soap.KIND}
