"""What is said of a WS-Security signature that does not hold, or does not cover what it must (1050–1099)."""

from __future__ import annotations

from broker.texts.text import Text

_REWRITTEN_PL = (
    "Komunikat nie może być zmieniany po podpisaniu: ani formatowany, ani zapisywany na nowo przez pośrednika."
)
_REWRITTEN_EN = (
    "Nothing may change the message after it was signed: no pretty-printing, no intermediary that writes it anew."
)
_FOUR_PL = (
    "Podpisać wolno: soap:Body, wsu:Timestamp i BinarySecurityToken w naszym nagłówku Security oraz bloki soap:Header."
)
_FOUR_EN = "What may be signed: soap:Body, the wsu:Timestamp and BinarySecurityToken of our Security header, and blocks of soap:Header."
_CLOCK_PL = "Proszę sprawdzić zegar nadawcy i podpisać komunikat na nowo tuż przed wysłaniem."
_CLOCK_EN = "Check the sender's clock, and sign the message anew right before sending."

TEXTS: dict[str, Text] = {
    # ── the header and the shape of the signature ──
    "wss.two-headers": Text(
        number=1050,
        pl="Więcej niż jeden nagłówek wsse:Security jest przeznaczony dla tego odbiorcy.",
        en="More than one wsse:Security header is meant for this receiver.",
        hint_pl="Wszystko należy umieścić w jednym; inne muszą wskazywać innego odbiorcę (actor, role).",
        hint_en="Put everything into one; others must name another receiver (actor, role).",
    ),
    "wss.two-signatures": Text(
        number=1051,
        pl="Nagłówek wsse:Security zawiera więcej niż jeden podpis.",
        en="The wsse:Security header holds more than one signature.",
        hint_pl="Jeden podpis może objąć wszystkie części komunikatu.",
        hint_en="One signature can cover all parts of the message.",
    ),
    "wss.signature-shape": Text(
        number=1052,
        pl="ds:Signature w wsse:Security nie ma budowy, jaką ma podpis komunikatu.",
        en="The ds:Signature in wsse:Security is not built as the signature of a message is.",
        hint_pl="Oczekiwano kolejno: SignedInfo z co najmniej jednym Reference, SignatureValue, KeyInfo, i niczego więcej.",
        hint_en="Expected in this order: SignedInfo with at least one Reference, SignatureValue, KeyInfo, and nothing else.",
    ),
    "wss.duplicate-id": Text(
        number=1053,
        pl="Dwa elementy komunikatu mają ten sam identyfikator (Id, ID, id, xml:id, wsu:Id).",
        en="Two elements of the message bear the same identifier (Id, ID, id, xml:id, wsu:Id).",
        hint_pl="Identyfikatory muszą być różne w całej kopercie, także w dokumencie wysłanym przez nadajAny.",
        hint_en="Identifiers must differ in the whole envelope, a document sent by nadajAny included.",
    ),
    "wss.too-many": Text(
        number=1054,
        pl="Podpis komunikatu ma za wiele odwołań, certyfikatów albo tokenów.",
        en="The message's signature has too many references, certificates or tokens.",
        hint_pl="Dozwolone: 20 odwołań (Reference), 4 tokeny, 10 certyfikatów w ścieżce.",
        hint_en="Allowed: 20 References, 4 tokens, 10 certificates in a path.",
    ),
    "wss.encrypted": Text(
        number=1055,
        pl="Komunikat jest szyfrowany w całości lub w części (XML Encryption).",
        en="The message is encrypted, wholly or in part (XML Encryption).",
        hint_pl="Poufność zapewnia TLS; komunikat należy tylko podpisać.",
        hint_en="TLS keeps it confidential; the message is to be signed only.",
    ),
    "wss.comment": Text(
        number=1056,
        pl="Podpisana część komunikatu zawiera komentarz XML, a podpis komentarzy nie obejmuje.",
        en="A signed part of the message holds an XML comment, and the signature covers no comments.",
        hint_pl="Dokument z komentarzami można wysłać operacją nadaj, jako Base64.",
        hint_en="A document with comments can be sent by nadaj, as Base64.",
    ),
    # ── whose key ──
    "wss.token": Text(
        number=1057,
        pl="Certyfikatu w podpisie komunikatu nie da się odczytać albo jest nieznanego rodzaju.",
        en="The certificate in the message's signature cannot be read or is of an unknown kind.",
        hint_pl="BinarySecurityToken: Base64Binary, X509v3 albo X509PKIPathv1; klucz RSA albo krzywa eliptyczna.",
        hint_en="BinarySecurityToken: Base64Binary, X509v3 or X509PKIPathv1; an RSA key or an elliptic curve.",
    ),
    "wss.key-info": Text(
        number=1058,
        pl="ds:KeyInfo nie wskazuje certyfikatu w znany sposób.",
        en="ds:KeyInfo does not point at a certificate in a known way.",
        hint_pl="Najlepiej: SecurityTokenReference z wsse:Reference do BinarySecurityToken w tym samym nagłówku.",
        hint_en="Best: a SecurityTokenReference with a wsse:Reference to the BinarySecurityToken in the same header.",
    ),
    "wss.token-missing": Text(
        number=1059,
        pl="Certyfikatu, na który wskazuje ds:KeyInfo, nie ma w nagłówku i nie jest on tu znany.",
        en="The certificate that ds:KeyInfo points at is not in the header and not known here.",
        hint_pl="Proszę dołączyć certyfikat jako BinarySecurityToken.",
        hint_en="Send the certificate along as a BinarySecurityToken.",
    ),
    "wss.key-short": Text(
        number=1060,
        pl="Klucz, którym podpisano komunikat, się nie nadaje.",
        en="The key that signed the message is refused.",
        hint_pl="RSA: co najmniej 2048 bitów, wykładnik do 32 bitów; krzywe eliptyczne: co najmniej 256 bitów.",
        hint_en="RSA: at least 2048 bits, an exponent of at most 32; elliptic curves: at least 256 bits.",
    ),
    # ── algorithms ──
    "wss.c14n": Text(
        number=1061,
        pl="Podpis komunikatu nie używa kanonizacji wyłącznej (exclusive C14N) albo nie da się jej wykonać.",
        en="The message's signature does not use exclusive canonicalisation, or it cannot be carried out.",
        hint_pl="CanonicalizationMethod: http://www.w3.org/2001/10/xml-exc-c14n#",
        hint_en="CanonicalizationMethod: http://www.w3.org/2001/10/xml-exc-c14n#",
    ),
    "wss.transform": Text(
        number=1062,
        pl="Odwołanie w podpisie komunikatu przekształca treść inaczej niż przez kanonizację wyłączną.",
        en="A Reference of the message's signature transforms its content otherwise than by exclusive canonicalisation.",
        hint_pl="Transforms: tylko http://www.w3.org/2001/10/xml-exc-c14n#, najwyżej po enveloped-signature; bez STR-Transform.",
        hint_en="Transforms: http://www.w3.org/2001/10/xml-exc-c14n# alone, at most after enveloped-signature; no STR-Transform.",
    ),
    "wss.digest-algorithm": Text(
        number=1063,
        pl="Skrót w podpisie komunikatu jest za słaby lub nieznany (SHA-1, MD5).",
        en="A digest in the message's signature is too weak or unknown (SHA-1, MD5).",
        hint_pl="Proszę ustawić w kliencie SHA-256, SHA-384 albo SHA-512; wiele bibliotek domyślnie używa SHA-1.",
        hint_en="Set SHA-256, SHA-384 or SHA-512 in the client; many libraries use SHA-1 by default.",
    ),
    "wss.signature-algorithm": Text(
        number=1064,
        pl="Algorytm podpisu komunikatu jest za słaby lub nieznany.",
        en="The algorithm of the message's signature is too weak or unknown.",
        hint_pl="RSA (PKCS#1 albo PSS) lub ECDSA z SHA-256, SHA-384 albo SHA-512; wiele bibliotek domyślnie używa rsa-sha1.",
        hint_en="RSA (PKCS#1 or PSS) or ECDSA with SHA-256, SHA-384 or SHA-512; many libraries use rsa-sha1 by default.",
    ),
    "wss.too-costly": Text(
        number=1065,
        pl="Sprawdzenie podpisu komunikatu kosztowałoby zbyt wiele.",
        en="Checking the message's signature would cost too much.",
        hint_pl="Proszę zmniejszyć liczbę deklaracji przestrzeni nazw w komunikacie.",
        hint_en="Declare fewer namespaces in the message.",
    ),
    # ── what is signed ──
    "wss.reference-external": Text(
        number=1066,
        pl="Podpis komunikatu odwołuje się do czegoś poza komunikatem albo nie przez #identyfikator.",
        en="The message's signature refers to something outside the message, or not by #identifier.",
        hint_pl=_FOUR_PL,
        hint_en=_FOUR_EN,
    ),
    "wss.reference-missing": Text(
        number=1067,
        pl="Podpis komunikatu odwołuje się do identyfikatora, którego nie ma żaden element.",
        en="The message's signature refers to an identifier that no element bears.",
        hint_pl=_REWRITTEN_PL,
        hint_en=_REWRITTEN_EN,
    ),
    "wss.reference-target": Text(
        number=1068,
        pl="Podpis komunikatu obejmuje element, którego w tym miejscu podpisać nie można.",
        en="The message's signature covers an element that cannot be signed where it stands.",
        hint_pl=_FOUR_PL,
        hint_en=_FOUR_EN,
    ),
    "wss.body-elsewhere": Text(
        number=1069,
        pl="Podpisany element Body nie jest treścią (soap:Body) tego komunikatu.",
        en="The Body that is signed is not the soap:Body of this message.",
        hint_pl="Tak wygląda komunikat, w którym podmieniono treść. Jeśli to nie atak, klient podpisuje niewłaściwy element.",
        hint_en="This is what a message looks like whose content was swapped. If it is no attack, the client signs the wrong element.",
    ),
    "wss.timestamp-elsewhere": Text(
        number=1070,
        pl="Podpisany element Timestamp nie jest tym, który stoi w nagłówku wsse:Security.",
        en="The Timestamp that is signed is not the one in the wsse:Security header.",
        hint_pl="Tak wygląda komunikat wysłany ponownie przez kogoś innego z nowym czasem.",
        hint_en="This is what a message looks like that somebody else sends again with a new time.",
    ),
    "wss.reference-twice": Text(
        number=1071,
        pl="Podpis komunikatu obejmuje ten sam element dwa razy.",
        en="The message's signature covers the same element twice.",
        hint_pl="Proszę usunąć powtórzone odwołanie z ustawień klienta.",
        hint_en="Remove the second reference from the client's settings.",
    ),
    "wss.digest-mismatch": Text(
        number=1072,
        pl="Podpisana część komunikatu została zmieniona po podpisaniu.",
        en="A signed part of the message was changed after it was signed.",
        hint_pl=f"{_REWRITTEN_PL} W MTOM podpis obejmuje treść z częściami wstawionymi jako Base64.",
        hint_en=f"{_REWRITTEN_EN} With MTOM the signature covers the content with its parts put in as Base64.",
    ),
    "wss.signature-mismatch": Text(
        number=1073,
        pl="Podpisu komunikatu nie złożono kluczem wskazanego certyfikatu albo podpis zmieniono.",
        en="The message's signature was not made by the key of the certificate given, or it was changed.",
        hint_pl="Proszę sprawdzić, czy klucz i certyfikat w kliencie należą do siebie.",
        hint_en="Check that the key and the certificate in the client belong together.",
    ),
    "wss.body-unsigned": Text(
        number=1074,
        pl="Podpis komunikatu nie obejmuje jego treści (soap:Body).",
        en="The message's signature does not cover its soap:Body.",
        hint_pl=_FOUR_PL,
        hint_en=_FOUR_EN,
    ),
    "wss.header-unsigned": Text(
        number=1075,
        pl="Podpis komunikatu nie obejmuje nagłówka {name}, od którego zależy jego obsługa.",
        en="The message's signature does not cover the header {name}, which decides what becomes of it.",
        hint_pl="Proszę podpisać wszystkie nagłówki ob: i wsa:, jak w opisie interfejsu SOAP.",
        hint_en="Sign every ob: and wsa: header, as the reference of the SOAP interface shows.",
    ),
    # ── when ──
    "wss.two-timestamps": Text(
        number=1076,
        pl="Nagłówek wsse:Security zawiera więcej niż jeden wsu:Timestamp.",
        en="The wsse:Security header holds more than one wsu:Timestamp.",
        hint_pl="Dozwolony jest jeden.",
        hint_en="One is allowed.",
    ),
    "wss.timestamp-malformed": Text(
        number=1077,
        pl="wsu:Timestamp nie zawiera jednego wsu:Created i najwyżej jednego wsu:Expires w UTC.",
        en="The wsu:Timestamp does not hold one wsu:Created and at most one wsu:Expires in UTC.",
        hint_pl="Na przykład: 2026-01-01T12:00:00Z",
        hint_en="For example: 2026-01-01T12:00:00Z",
    ),
    "wss.timestamp-missing": Text(
        number=1078,
        pl="Podpis komunikatu nie obejmuje wsu:Timestamp albo go nie ma.",
        en="The message's signature does not cover a wsu:Timestamp, or there is none.",
        hint_pl="Proszę dodać wsu:Timestamp do nagłówka wsse:Security i objąć go podpisem.",
        hint_en="Add a wsu:Timestamp to the wsse:Security header and let the signature cover it.",
    ),
    "wss.stale": Text(
        number=1079,
        pl="Komunikat jest za stary: ważny był do {until}, a nadszedł {at}.",
        en="The message is too old: it held until {until} and came at {at}.",
        hint_pl=_CLOCK_PL,
        hint_en=_CLOCK_EN,
    ),
    "wss.future": Text(
        number=1080,
        pl="Komunikat pochodzi z przyszłości: powstał {created}, a nadszedł {at}.",
        en="The message comes from the future: it was made at {created} and came at {at}.",
        hint_pl=_CLOCK_PL,
        hint_en=_CLOCK_EN,
    ),
    "wss.expires-before-created": Text(
        number=1081,
        pl="Według wsu:Timestamp komunikat wygasł, zanim powstał.",
        en="By its wsu:Timestamp the message expired before it was made.",
        hint_pl=_CLOCK_PL,
        hint_en=_CLOCK_EN,
    ),
    # ── what exclusive canonicalisation leaves out ──
    "wss.prefix-unsigned": Text(
        number=1082,
        pl="Wartość xsi:type w treści komunikatu używa prefiksu przestrzeni nazw, którego deklaracji podpis komunikatu nie obejmuje.",
        en="A value of xsi:type in the Body uses a namespace prefix whose declaration the message's signature does not cover.",
        hint_pl="Proszę wymienić ten prefiks w InclusiveNamespaces/@PrefixList odwołania do Body albo nie wysyłać atrybutów xsi:type.",
        hint_en="Name the prefix in InclusiveNamespaces/@PrefixList of the Reference to the Body, or send no xsi:type attributes.",
    ),
}
