"""Names and identifiers of WS-Security, elements as lxml writes them."""

from __future__ import annotations

from typing import Final

from adapters.wire.soap import WSSE as WSSE_NS

_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSU_NS: Final = _OASIS + "wssecurity-utility-1.0.xsd"
DS_NS: Final = "http://www.w3.org/2000/09/xmldsig#"

WSSE: Final = f"{{{WSSE_NS}}}"
WSU: Final = f"{{{WSU_NS}}}"
DS: Final = f"{{{DS_NS}}}"
XENC: Final = "{http://www.w3.org/2001/04/xmlenc#}"

SECURITY: Final = WSSE + "Security"
TOKEN: Final = WSSE + "BinarySecurityToken"
TOKEN_REFERENCE: Final = WSSE + "SecurityTokenReference"
REFERENCE: Final = WSSE + "Reference"
KEY_IDENTIFIER: Final = WSSE + "KeyIdentifier"
TIMESTAMP: Final = WSU + "Timestamp"
CREATED: Final = WSU + "Created"
EXPIRES: Final = WSU + "Expires"
X509_DATA: Final = DS + "X509Data"

BASE64: Final = _OASIS + "soap-message-security-1.0#Base64Binary"
X509V3: Final = _OASIS + "x509-token-profile-1.0#X509v3"
PKI_PATH: Final = _OASIS + "x509-token-profile-1.0#X509PKIPathv1"
KEY_ID: Final = _OASIS + "x509-token-profile-1.0#X509SubjectKeyIdentifier"
THUMBPRINT: Final = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
