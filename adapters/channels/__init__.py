"""The ways in.  The listing of this folder is the list of built-in kinds."""

from __future__ import annotations

from adapters.channels import amqp, directory, soap
from adapters.wire.kind import ChannelKind

KINDS: dict[str, ChannelKind] = {"amqp": amqp.KIND, "directory": directory.KIND, "soap": soap.KIND}
