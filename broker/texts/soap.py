"""What the SOAP channel says of messages that it cannot read, before a document has come out of them."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "soap.content-type": Text(
        number=700,
        pl="Nagłówek Content-Type nie zapowiada komunikatu SOAP.",
        en="The Content-Type does not announce a SOAP message.",
        hint_pl="SOAP 1.1: text/xml; SOAP 1.2: application/soap+xml; MTOM: multipart/related z type=application/xop+xml.",
        hint_en="SOAP 1.1: text/xml; SOAP 1.2: application/soap+xml; MTOM: multipart/related with type=application/xop+xml.",
    ),
    "soap.method": Text(
        number=701,
        pl="Pod tym adresem przyjmowane są tylko komunikaty wysłane metodą POST.",
        en="Only messages sent by POST are taken at this address.",
        hint_pl="Opis usługi jest pod tym samym adresem z dopiskiem ?wsdl.",
        hint_en="The description of the service is at this address with ?wsdl.",
    ),
    "soap.too-slow": Text(
        number=702,
        pl="Komunikat nie nadszedł w całości w ciągu {seconds} s.",
        en="The whole message did not arrive within {seconds} s.",
        hint_pl="Proszę wysłać ten sam dokument ponownie.",
        hint_en="Send the same document again.",
    ),
    "soap.too-large": Text(
        number=703,
        pl="Komunikat jest większy niż {limit} bajtów.",
        en="The message is larger than {limit} bytes.",
    ),
    "soap.envelope": Text(
        number=704,
        pl="To nie jest koperta SOAP: oczekiwano Envelope z najwyżej jednym Header i jednym Body o jednym elemencie.",
        en="This is no SOAP envelope: an Envelope with at most one Header and one Body of one element was expected.",
    ),
    "soap.version": Text(
        number=705,
        pl="Nieznana wersja SOAP; obsługiwane są 1.1 i 1.2.",
        en="Unknown version of SOAP; 1.1 and 1.2 are spoken here.",
    ),
    "soap.must-understand": Text(
        number=706,
        pl="Nagłówek {name} ma być zrozumiany (mustUnderstand), a nie jest tu znany.",
        en="The header {name} must be understood and is not known here.",
    ),
    "soap.wrong-action": Text(
        number=707,
        pl="Akcja SOAP nie zgadza się z treścią komunikatu; oczekiwano {expected}.",
        en="The SOAP action does not agree with the message's content; {expected} was expected.",
    ),
    "soap.unknown-operation": Text(
        number=708,
        pl="Treść komunikatu nie należy do żadnej operacji tej usługi.",
        en="The message's content belongs to no operation of this service.",
        hint_pl="nadaj: element Dokument z przestrzeni http://wsdl.epuap.gov.pl/obiekty/; nadajAny: z http://wsdl.epuap.gov.pl/obiekty/ext/.",
        hint_en="nadaj: the element Dokument of http://wsdl.epuap.gov.pl/obiekty/; nadajAny: of http://wsdl.epuap.gov.pl/obiekty/ext/.",
    ),
    "soap.missing-header": Text(
        number=709,
        pl="Brakuje nagłówka SOAP {name}.",
        en="The SOAP header {name} is missing.",
    ),
    "soap.duplicate-header": Text(
        number=710,
        pl="Nagłówek SOAP {name} występuje więcej niż raz.",
        en="The SOAP header {name} is there more than once.",
    ),
    "soap.value": Text(
        number=711,
        pl="Niedozwolona wartość w {name}.",
        en="A value that is not allowed in {name}.",
        hint_pl="Adres skrytki ma postać /podmiot/skrytka; CzyProbne: true albo false; identyfikatory: do 100 znaków bez znaków sterujących.",
        hint_en="A box address reads /office/box; CzyProbne: true or false; identifiers: up to 100 characters, none of them control characters.",
    ),
    "soap.base64": Text(
        number=712,
        pl="Treść nie jest poprawnym zapisem Base64.",
        en="The content is not Base64.",
    ),
    "soap.object": Text(
        number=713,
        pl="Element jest nieznany w tym miejscu, powtórzony, brakujący albo ma złą wartość.",
        en="An element is not known here, given twice, missing or of a wrong value.",
    ),
    "soap.multipart": Text(
        number=714,
        pl="Komunikatu wieloczęściowego (MTOM) nie da się podzielić na części.",
        en="The multipart (MTOM) message cannot be taken apart.",
        hint_pl="Każda część potrzebuje własnego Content-ID, a wiersze graniczne kończą się CRLF (RFC 2046, RFC 2387).",
        hint_en="Each part needs a Content-ID of its own, and boundary lines end with CRLF (RFC 2046, RFC 2387).",
    ),
    "soap.part": Text(
        number=715,
        pl="xop:Include wskazuje część, której nie ma albo która była już użyta.",
        en="An xop:Include refers to a part that is not there or was used before.",
    ),
    "soap.part-unused": Text(
        number=716,
        pl="Komunikat zawiera części ({count}), do których nic się nie odwołuje.",
        en="The message carries parts ({count}) that nothing refers to.",
        hint_pl="Załączniki należy umieścić w dokumencie albo odwołać się do nich przez xop:Include.",
        hint_en="Put attachments into the document, or refer to them by xop:Include.",
    ),
    "soap.content-encoding": Text(
        number=717,
        pl="Komunikaty skompresowane nie są przyjmowane.",
        en="Compressed messages are not taken.",
        hint_pl="Proszę wysłać komunikat bez Content-Encoding.",
        hint_en="Send the message without Content-Encoding.",
    ),
    "soap.charset": Text(
        number=718,
        pl="Parametr charset nagłówka Content-Type nie zgadza się z kodowaniem komunikatu.",
        en="The charset in the Content-Type contradicts the message's encoding.",
    ),
    "soap.not-found": Text(
        number=719,
        pl="Pod tym adresem nie ma żadnej usługi.",
        en="There is no service at this address.",
    ),
    "soap.accepted": Text(
        number=720,
        pl="Dokument został przyjęty.",
        en="The document was accepted.",
    ),
    "soap.accepted-trial": Text(
        number=721,
        pl="Dokument próbny został sprawdzony i nie będzie przekazany.",
        en="The trial document was checked and will be handed to nobody.",
    ),
    "soap.fields": Text(
        number=722,
        pl="Żądanie HTTP ma więcej niż {limit} pól nagłówka.",
        en="The HTTP request has more than {limit} header fields.",
        hint_pl="Do wysłania komunikatu wystarczą Host, Content-Type, Content-Length i SOAPAction.",
        hint_en="Host, Content-Type, Content-Length and SOAPAction are enough to send a message.",
    ),
    "soap.part-too-large": Text(
        number=723,
        pl="Jedna z części komunikatu (MTOM) jest większa niż {limit} bajtów.",
        en="One of the parts of the message (MTOM) is larger than {limit} bytes.",
        hint_pl="Duży dokument należy wysłać jako osobną część (xop:Include), binarnie, albo bez MTOM.",
        hint_en="Send a large document as a part of its own (xop:Include), in binary, or without MTOM.",
    ),
    "soap.too-many-parts": Text(
        number=724,
        pl="Komunikat (MTOM) ma więcej niż {limit} części.",
        en="The message (MTOM) has more than {limit} parts.",
        hint_pl="Załączniki można umieścić w samym dokumencie, w Base64.",
        hint_en="Attachments may stand in the document itself, in Base64.",
    ),
    "soap.header-too-large": Text(
        number=725,
        pl="Koperta SOAP bez dokumentu (nagłówki) jest dłuższa niż {limit} znaków.",
        en="The SOAP envelope without its document (the headers) is longer than {limit} characters.",
    ),
    "soap.http": Text(
        number=726,
        pl="Żądanie nie jest poprawnym HTTP/1.1, jest dwuznaczne albo ma za długi nagłówek.",
        en="The request is not HTTP/1.1, has two meanings, or a head that is too long.",
        hint_pl="Proszę podać Content-Length albo Transfer-Encoding: chunked, nie oba.",
        hint_en="Send Content-Length or Transfer-Encoding: chunked, not both.",
    ),
}
