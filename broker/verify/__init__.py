"""Stage 3, verify: signatures, by a verifier of our own for a closed list of shapes (DESIGN §4.9, DOMAIN §5).

Where to read: `stage.py` (what others call), `judgement.py` (a document), `signature.py` (one signature, every question
in its order); then one idea a file: `shape.py` and `references.py` (structure and coverage), `c14n.py` (octets),
`algorithms.py` (the closed lists), `signer.py` (whose key), `key_info.py` (what else is said of it),
`signature_value.py` (mathematics), `xades.py`, `certificate.py`, `identity.py`, `moment.py` and `timestamp.py` (as of
when), `trust.py`, `path.py`, `revocation.py` and `settlement.py` (what is known of certificates, and how it is proven),
`explain.py` (hints), `fault.py` (codes and their verdicts), `unsigned.py` and `prefixes.py` (what no signature covers).
Trusted lists: `trusted_list.py` (which are believed), `trust_services.py` (what they grant), `qualified.py` (what that
makes of a certificate).  `asn1_classes.py` is for the threads of all that read certificates.
"""

from broker.verify.asn1_classes import make_ready
from broker.verify.moment import Window
from broker.verify.signer import Policy
from broker.verify.stage import Verify, examine
from broker.verify.trust import Anchor, TrustSnapshot, anchors, certificates

__all__ = ["Anchor", "Policy", "TrustSnapshot", "Verify", "Window", "anchors", "certificates", "examine"]

make_ready()
