"""What `?wsdl` and `?xsd=…` answer: the packaged texts with the configured address written into them.

The address is never that of the request: a Host header is the client's word.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.channels.soap.endpoint import Service
from adapters.wire.soap import escape

PLACEHOLDER = b"http://goniec.invalid"
"""Stands in the packaged WSDL where the public address goes."""


class Description:
    """A service's WSDL and schemas, as served."""

    def __init__(self, service: Service, text: Callable[[str], bytes], base: str) -> None:
        address = escape(f"{base}/{service.name}")
        wsdl = text(service.wsdl).replace(PLACEHOLDER, escape(base))
        for name, path in service.schemas.items():
            file = path.rpartition("/")[2].encode()
            wsdl = wsdl.replace(b'schemaLocation="%s"' % file, b'schemaLocation="%s?xsd=%s"' % (address, name.encode()))
        self._wsdl = wsdl
        self._schemas = {name: text(path) for name, path in service.schemas.items()}

    def find(self, query: str) -> bytes | None:
        """Return the text that a query string (`wsdl`, `xsd=obiekty`) asks for, or None."""
        key, _, name = query.partition("=")
        return self._wsdl if key.lower() == "wsdl" else self._schemas.get(name) if key.lower() == "xsd" else None
