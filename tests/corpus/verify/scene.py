"""Who signs, who is trusted, and what is signed, in the corpus of verification and in its tests."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.testkit.certificates import Authority
from adapters.testkit.pki import Pki
from broker.evidence import Level, Report
from broker.parse import Limits, read
from broker.verify import Anchor, TrustSnapshot, examine

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
PKI = Pki(at=AT)
DS = "http://www.w3.org/2000/09/xmldsig#"

FORM = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<?xml-stylesheet type="text/xsl" href="never-followed.xsl"?>\n'
    '<wnio:Dokument xmlns:wnio="http://example.test/wzor/" xmlns:unused="urn:unused" xml:lang="pl">\n'
    '  <wnio:Tytul nr="1" b="2">Wniosek o zażółcenie gęśli</wnio:Tytul><!-- a comment -->\n'
    '  <Adres xmlns="urn:adres"><Ulica>Próbna 1</Ulica><Kod><Cyfry>00-000</Cyfry></Kod></Adres>\n'
    "  <wnio:Kwota>100</wnio:Kwota>\n"
    "</wnio:Dokument>\n"
).encode()
"""Prefixes, an inherited default namespace, a comment, a stylesheet, Polish letters."""

FORM_WITH_ID = FORM[FORM.index(b"<wnio:Dokument ") :].replace(b"<wnio:Dokument ", b'<wnio:Dokument Id="doc" ')


def anchor(authority: Authority, level: Level, *, platform_seal: bool = False) -> Anchor:
    certificate = authority.credential.certificate
    return Anchor(certificate=certificate, name=str(level), level=level, platform_seal=platform_seal)


TRUST = TrustSnapshot(
    anchors=(
        anchor(PKI.qualified_ca, Level.QUALIFIED),
        anchor(PKI.platform_ca, Level.TRUSTED_PROFILE, platform_seal=True),
        anchor(PKI.local_ca, Level.LOCAL),
    )
)


def judged(document: bytes, trust: TrustSnapshot = TRUST, at: datetime = AT, **how: object) -> Report:
    return examine(read(document, Limits()), trust, at, **how)  # type: ignore[arg-type]
