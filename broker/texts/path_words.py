"""What the facts about a path of certificates are called, in Polish and in English: a closed list each.

A certificate that is not named here is an authority's, and the fact is its subject.
"""

from __future__ import annotations

from typing import Final

CERTIFICATES: Final = {
    "signer": ("certyfikat podpisującego", "the signer's certificate"),
    **{
        str(number): (
            f"certyfikat nr {number} na ścieżce, licząc od podpisującego",
            f"certificate {number} of the path, counted from the signer's",
        )
        for number in range(2, 10)
    },
}

REASONS: Final = {
    "signature": (
        "podpis pod certyfikatem nie zgadza się z kluczem wystawcy",
        "the certificate was not signed by its issuer's key",
    ),
    "names": (
        "wystawca wyżej na ścieżce nie może wystawiać certyfikatów dla tej nazwy (nameConstraints)",
        "an issuer above it may not issue certificates for this name (nameConstraints)",
    ),
    "policy": (
        "wystawca wyżej na ścieżce wymaga polityki certyfikacji, której certyfikat nie spełnia",
        "an issuer above it requires a certificate policy that the certificate does not keep",
    ),
    "no-authority": (
        "certyfikat wystawcy nie należy do urzędu certyfikacji (basicConstraints)",
        "an issuer's certificate is not that of a certification authority (basicConstraints)",
    ),
    "too-long": (
        "ścieżka jest dłuższa, niż pozwala wystawca wyżej na ścieżce (pathLenConstraint)",
        "the path is longer than an issuer above allows (pathLenConstraint)",
    ),
    "may-not-issue": (
        "kluczem wystawcy nie wolno podpisywać certyfikatów (keyUsage)",
        "an issuer's key may not sign certificates (keyUsage)",
    ),
    "critical-extension": (
        "certyfikat ma nieznane rozszerzenie krytyczne",
        "the certificate has a critical extension that is not known",
    ),
    "other": ("inna zasada niż wymienione w dokumentacji", "another rule than those that are documented"),
}
