"""Namespaces and element names of XMLDSig and XAdES, as lxml writes them."""

from __future__ import annotations

from typing import Final

DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
DSIG11: Final = "{http://www.w3.org/2009/xmldsig11#}"
XADES_ANY: Final = "http://uri.etsi.org/01903/"
XADES: Final = "{http://uri.etsi.org/01903/v1.3.2#}"
XML: Final = "{http://www.w3.org/XML/1998/namespace}"
EXCLUSIVE_C14N: Final = "{http://www.w3.org/2001/10/xml-exc-c14n#}"

SIGNATURE: Final = DS + "Signature"
SIGNED_INFO: Final = DS + "SignedInfo"
SIGNATURE_VALUE: Final = DS + "SignatureValue"
KEY_INFO: Final = DS + "KeyInfo"
OBJECT: Final = DS + "Object"
MANIFEST: Final = DS + "Manifest"

QUALIFYING_PROPERTIES: Final = XADES + "QualifyingProperties"
SIGNED_PROPERTIES: Final = XADES + "SignedProperties"

TYPE_SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
TYPE_COUNTERSIGNED: Final = "http://uri.etsi.org/01903#CountersignedSignature"
TYPE_MANIFEST: Final = "http://www.w3.org/2000/09/xmldsig#Manifest"
