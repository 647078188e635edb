"""One verifier serves many threads: each document gets its own verdict, its own person, its own content."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from asn1crypto import core

from adapters.testkit.pki import JAN, ZOFIA
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, QUALIFIED
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse
from broker.verify import TrustSnapshot, Verify
from broker.verify.asn1_classes import make_ready
from tests.builders import an_envelope
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")


def test_eight_threads_never_mix_up_documents() -> None:
    trust = TrustSnapshot(anchors=TRUST.anchors)
    verify = Verify(trust=lambda: trust)
    parse = Parse(limits=Limits())
    documents: list[tuple[bytes, str, str, bytes]] = []
    for number in range(8):
        form = FORM.replace(b">100<", b">%d<" % (1000 + number))
        mark = b">%d<" % (1000 + number)
        signed = sign(form, PKI.person, AT, BASELINE if number % 2 else QUALIFIED)
        documents += [
            (signed, "", JAN.pesel, mark),
            (sign_on_platform(form, PKI.platform, ZOFIA, AT, old=number % 2 == 0), "", ZOFIA.pesel, mark),
            (sign(form, PKI.stranger, AT), "verify.chain-untrusted", JAN.pesel, mark),
            (signed.replace(b"Wniosek", b"Wyrok"), "verify.digest-mismatch", "", mark),
        ]

    def ask(document: tuple[bytes, str, str, bytes]) -> tuple[str, str, bool]:
        parsed = parse(an_envelope(document[0], received_at=AT))
        done = verify(Valid(document=parsed, form=A_FORM))
        who = done.report.identity
        return done.report.code, who.pesel if who else "", document[3] in done.content

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, documents * 12))
    assert answers == [(code, pesel, True) for _, code, pesel, _ in documents * 12]


def test_a_new_snapshot_holds_from_the_next_document_on() -> None:
    snapshots = [TRUST, TrustSnapshot(), TRUST]
    verify = Verify(trust=lambda: snapshots.pop(0))
    parsed = Parse(limits=Limits())(an_envelope(sign(FORM, PKI.person, AT), received_at=AT))
    codes = [verify(Valid(document=parsed, form=A_FORM)).report.code for _ in range(3)]
    assert codes == ["", "verify.chain-untrusted", ""]


def test_no_class_of_asn1crypto_is_left_to_be_completed_by_threads() -> None:
    """As in a worker that has just been born: its first documents come all at once."""
    said = subprocess.run([sys.executable, "-c", UNREADY], check=True, capture_output=True, text=True).stdout
    assert said == "['Choice']\n"


def test_a_class_is_ready_however_far_below_another_it_is() -> None:
    class One(core.Sequence):
        _fields: ClassVar[list[tuple[str, type]]] = [("number", core.Integer)]

    class Other(One):
        pass

    make_ready()
    assert {One, Other} <= core._SETUP_CLASSES.keys()


UNREADY = """
import adapters.wire.wss.token, adapters.trust.timestamp, broker.journal_head, config.run
from asn1crypto import core
from broker.verify.asn1_classes import _below
print(sorted({it.__name__ for it in _below(core.Asn1Value) if it not in core._SETUP_CLASSES}))
"""
