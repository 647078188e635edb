"""Serves a SOAP channel over TLS as a process of its own, so that its memory can be measured from outside.

    python -m tests.hostile.serving FOLDER SETTINGS

FOLDER holds `server.pem` and a certificate a partner, `<id>.crt`; SETTINGS is JSON.  Prints the port.  Behind the
channel is an intake that gives receipts: what costs here is the channel.  Ends when standard input is closed.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import structlog
from cryptography import x509

from adapters.testkit.desk import receipt_for
from broker.partner import Partner, Partners
from tests.soap_serving import a_channel


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory((folder / "log.txt").open("a")),
    )
    partners = Partners(
        Partner(id=file.stem, certificates=(x509.load_pem_x509_certificate(file.read_bytes()),))
        for file in folder.glob("*.crt")
    )
    channel = a_channel(
        folder=folder,
        partners=lambda: partners,
        clock=lambda: datetime.now(UTC),
        **{"certificate": "server.pem", "proof": ["tls", "ws-security"], **settings},
    )
    stop = Event()
    print(channel.bind()[1], flush=True)  # noqa: T201 - whoever started us reads it
    server = Thread(target=channel.serve, args=(receipt_for, stop))
    server.start()
    sys.stdin.read()
    stop.set()
    server.join()


if __name__ == "__main__":
    main()
