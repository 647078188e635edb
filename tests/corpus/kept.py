"""The corpus as files: which documents there are, what each must give, and how all are written again.

    <stage>/<family>/<reason>--<what is wrong>.xml      must be refused with the code `<stage>.<reason>`
    accepted/<family>/<what it shows>.xml               must be accepted
    trust/*.pem, *.crl                                  whom to trust; judge as of 2026-01-01T12:00:00Z
    keys.pem                                            the private keys of all of them: worth nothing to anybody
    index.json                                          the same as a table, with verdicts and boxes

`scripts/corpus` writes them from their makers; what a document needs of chance follows from its name, so that the
same octets come out every time.  Those of `parse/` and `validate/` without a family are written by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.testkit import certificates

ROOT = Path(__file__).parent
KEYS = ROOT / "keys.pem"
INDEX = ROOT / "index.json"
LARGEST = 60_000  # octets: larger ones are only made, in `tests/corpus/verify`
ANY = "/corpus/any"

_KEY = re.compile(
    r"# (?P<kind>\S+) (?P<role>[^\n]*)\n(?P<pem>-----BEGIN PRIVATE KEY-----\n.*?-----END PRIVATE KEY-----\n)", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A document of the corpus: where it is and what it must give."""

    path: str  # below this folder
    code: str  # "accepted" or the code of the refusal
    indication: str = ""  # of the verdict, where stage verify decided
    box: str = ANY
    revocation: str = "off"  # the policy under which it is judged; "require": by the lists in `trust/`

    def read(self) -> bytes:
        """Return the document."""
        return (ROOT / self.path).read_bytes()


def kept() -> tuple[Kept, ...]:
    """Return all documents that are kept under an index."""
    return tuple(Kept(**entry) for entry in json.loads(INDEX.read_text(encoding="utf-8")))


def by_hand() -> tuple[Path, ...]:
    """Return the documents that were written by hand; their names say the code."""
    return tuple(sorted([*(ROOT / "parse").glob("*.xml"), *(ROOT / "validate").glob("*.xml")]))


# ── keys and chance ──


def remember_keys() -> None:
    """Let the test PKI use the kept keys."""
    for found in _KEY.finditer(KEYS.read_text(encoding="utf-8") if KEYS.exists() else ""):
        own = load_pem_private_key(found["pem"].encode(), None)
        certificates.remember(found["role"], found["kind"], own)  # type: ignore[arg-type]


def write_keys() -> None:
    """Keep every key that was needed."""
    text = ""
    for (role, kind), own in sorted(certificates.remembered().items()):
        text += f"# {kind} {role}\n{certificates.Credential(key=own, certificate=None).key_pem.decode()}"  # type: ignore[arg-type]
    KEYS.write_text(text, encoding="utf-8")


@contextmanager
def chance_of(name: str) -> Iterator[None]:
    """Let identifiers and serial numbers follow from the name: for writing the corpus, and for nothing else."""
    state = hashlib.shake_256(name.encode())
    drawn = 0
    true = os.urandom

    def urandom(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return state.digest(drawn)[-size:]

    os.urandom = urandom
    try:
        yield
    finally:
        os.urandom = true


def makers() -> Mapping[str, tuple[Callable[[], bytes], str, str]]:
    """Return who makes which document: by its place, the maker, the box, the policy of revocation."""
    from tests.corpus import admitting, validating  # noqa: PLC0415 - these make keys, which must be remembered before
    from tests.corpus.verify import attacks, recipes, refused, revocations, shapes  # noqa: PLC0415

    assert refused.FAMILIES
    found: dict[str, tuple[Callable[[], bytes], str, str]] = {}
    for name, (code, maker) in recipes.REFUSED.items():
        found[f"{code.replace('.', f'/{recipes.FAMILY[name]}/')}--{name.partition('--')[2]}"] = (maker, ANY, "off")
    for name, (code, maker) in attacks.ATTACKS.items():
        found[f"{code.replace('.', '/wrapping/')}--{name}"] = (maker, ANY, "off")
    for name, maker in validating.REFUSED.items():
        found[f"validate/signed/{name}"] = (maker, ANY, "off")
    for name, (_, maker, box) in admitting.REFUSED.items():
        found[f"admit/{name}"] = (maker, box, "off")
    for name, (maker, box) in shapes.ACCEPTED.items():
        found[f"accepted/{name}"] = (maker, box, "off")
    for name, (_, maker) in revocations.REVOKED.items():
        found[f"verify/revocations/{name}"] = (maker, ANY, "require")
    for name, maker in revocations.ACCEPTED.items():
        found[f"accepted/{name}"] = (maker, ANY, "require")
    return found


# ── names ──

EARLIER = frozenset(
    (f"verify/{place}", f"validate.{reason}")
    for reason, places in {
        "comment-in-value": (
            "referring/digest-mismatch--around-comment",
            "referring/transform-xpath--comment",
            "spellings/digest-mismatch--text-and-comment",
        ),
        "no-form-in-signature": (
            "structure/detached--by-http",
            "structure/detached--no-object",
        ),
        "several-contents": (
            "structure/enveloping-form--a-second-element",
            "structure/enveloping-form--an-element-before",
            "structure/enveloping-form--an-empty-object-more",
            "structure/enveloping-form--text",
            "wrapping/enveloping-form--enveloping-form-beside-covered-object",
            "wrapping/enveloping-form--enveloping-swapped",
        ),
        "invalid": ("prefixes/prefix-unsigned--type-of-the-root",),
        "enveloped-base64": ("structure/enveloping-base64--said", "structure/enveloping-base64--unsaid"),
    }.items()
    for place in places
)
"""Documents that a stage before the one they were made for refuses: their place, and the code that they give."""


def moved(place: str, code: str) -> str:
    """Return the place of a document that an earlier stage refuses."""
    stage, _, reason = code.partition(".")
    family, what = place.split("/")[1], place.partition("--")[2]
    return f"{stage}/{family}/{reason}--{what}"


_VALUE = re.compile(rb"(SignatureValue[^>]*>)[^<]*")


def same(one: bytes, other: bytes) -> bool:
    """Whether two documents are the same but for signature values that hold chance (RSA-PSS)."""
    pss = b"-rsa-MGF1"
    if pss in one and pss in other:
        return _VALUE.sub(rb"\1", one) == _VALUE.sub(rb"\1", other)
    return one == other
