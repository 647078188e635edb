"""Refused by stage validate though every signature holds: a value in two pieces, and a signature for a form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, EXCLUSIVE
from tests.corpus.verify.recipes import edited
from tests.corpus.verify.scene import AT, FORM, PKI

REFUSED: dict[str, Callable[[], bytes]] = {}
"""By the name of the document, which begins with the reason of its code: its maker."""


def _on_platform(old: str, new: str, *, enveloping: bool = False) -> bytes:
    changes = {"enveloping": True, "transforms": (EXCLUSIVE,)} if enveloping else {}
    document = sign_on_platform(FORM, PKI.platform, JAN, AT, **changes).decode()
    assert old in document
    return document.replace(old, new, 1).encode()


for _what, _new in {
    "behind-a-text": "1<![CDATA[00]]>",
    "before-a-text": "<![CDATA[1]]>00",
    "an-empty-one-before-a-text": "<![CDATA[]]>100",
    "two-of-them": "<![CDATA[1]]><![CDATA[00]]>",
}.items():
    REFUSED[f"cdata-in-value--{_what}"] = edited("100", _new, BASELINE)
REFUSED["cdata-in-value--in-an-enveloped-form"] = edited(">100<", ">1<![CDATA[00]]><", ENVELOPING)
REFUSED["cdata-in-value--behind-a-line-end"] = edited(
    "100", "\n<![CDATA[100]]>", BASELINE, form=FORM.replace(b"100", b"\n100")
)
REFUSED["signature-in-signature--enveloping-twice"] = lambda: sign(
    sign(FORM, PKI.person, AT, ENVELOPING), PKI.other_person, AT, ENVELOPING
)
for _reason, _parting in {"cdata": "<![CDATA[]]>", "comment": "<!-- -->"}.items():
    for _what, _recipe in {"a-signing-time": BASELINE, "the-signing-time-of-an-enveloping-one": ENVELOPING}.items():
        REFUSED[f"{_reason}-in-value--in-{_what}"] = edited("(?<=<xades:SigningTime>2026)", _parting, _recipe)
    for _what, _enveloping in {"a-claimed-role": False, "the-claimed-role-of-an-enveloping-one": True}.items():
        REFUSED[f"{_reason}-in-value--in-{_what}"] = partial(
            _on_platform,
            "PersonalIdentifier>90010100016<",
            f"PersonalIdentifier>90{_parting}010100016<",
            enveloping=_enveloping,
        )
