"""WS-Security on SOAP messages: X.509 signatures, read on the way in and written on replies.

`read` proves the mathematics and says what is covered; whose certificate it is and how much must be covered, the
channel judges (`broker/partner.py`, `Secured.demand`).  Only what is signed is believed, and an element counts as
signed by where it stands in the tree, never by its name: that is what wrapping attacks play with.

    header      which Security header is ours, and what stands in it
    token       whose key signed, as far as the message says
    coverage    what the References cover, and whether the digests agree
    timestamp   when it was signed, and how long it holds
    reading     all of that in its order
    signing     the same for our replies
    refusal     how each no is called

Sources: Web Services Security: SOAP Message Security 1.1.1 and X.509 Certificate Token Profile 1.1.1 (OASIS, 2012),
WS-I Basic Security Profile 1.1, XMLDSig 1.1.
"""

from __future__ import annotations

from adapters.wire.wss.reading import WINDOW, Secured, read
from adapters.wire.wss.signing import sign

__all__ = ["WINDOW", "Secured", "read", "sign"]
