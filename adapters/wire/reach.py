"""Who can reach an address: only this machine, or others too."""

from __future__ import annotations

import ipaddress


def on_loopback(host: str) -> bool:
    """Tell whether a host can only be this machine.  A name is not looked up: only one is known."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
