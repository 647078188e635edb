"""The SOAP way in: boxes (`skrytka`) that document systems put documents into, and what they may ask (`uzgodnienie`).

From the outside in: `server` (connections), `face` (HTTP), `endpoint` (one SOAP message, in a thread), `skrytka` and
`uzgodnienie` (what an operation means).  A further service, say `pull`, is a file beside these and a name in
`SERVICES`.
"""

from __future__ import annotations

from adapters.channels.soap.channel import SERVICES, SoapChannel, make
from adapters.channels.soap.settings import SoapSettings
from adapters.wire.kind import Kind

__all__ = ["KIND", "SERVICES", "SoapChannel", "SoapSettings"]

KIND = Kind(settings=SoapSettings, make=make)
