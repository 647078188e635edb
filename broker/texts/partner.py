"""What is said to who connects: whether it is known who it is, and what it may do here."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "partner.unproven": Text(
        number=1000,
        pl="Nadawca nie wykazał, kim jest: komunikat nie ma ani certyfikatu klienta, ani podpisu WS-Security.",
        en="The sender has not proven who it is: there is neither a client certificate nor a WS-Security signature.",
        hint_pl="Proszę połączyć się przez TLS z certyfikatem uzgodnionym z brokerem albo podpisać komunikat (WS-Security X.509).",
        hint_en="Connect by TLS with the certificate agreed with the broker, or sign the message (WS-Security X.509).",
    ),
    "partner.unknown": Text(
        number=1001,
        pl="Certyfikat lub użytkownik ({key}) nie należy do żadnego partnera.",
        en="The certificate or user ({key}) belongs to no partner.",
        hint_pl="Podano skrót SHA-256 certyfikatu: proszę porównać go z certyfikatem przekazanym operatorowi brokera. Odnowiony certyfikat trzeba zgłosić przed użyciem.",
        hint_en="The SHA-256 of the certificate is given: compare it with the one handed to the broker's operator. A renewed certificate must be announced before it is used.",
    ),
    "partner.another": Text(
        number=1002,
        pl="Ten certyfikat lub użytkownik nie należy do partnera „{claimed}”, za którego podaje się nadawca.",
        en="This certificate or user does not belong to the partner “{claimed}” that the sender claims to be.",
        hint_pl="IdentyfikatorPodmiotu (w AMQP nagłówek sender) musi być identyfikatorem partnera, do którego należy certyfikat lub użytkownik.",
        hint_en="IdentyfikatorPodmiotu (in AMQP the header sender) must be the id of the partner to whom the certificate or user belongs.",
    ),
    "partner.expired": Text(
        number=1003,
        pl="Certyfikat partnera był ważny do {until}.",
        en="The partner's certificate was valid until {until}.",
        hint_pl="Proszę użyć odnowionego certyfikatu, zgłoszonego operatorowi brokera.",
        hint_en="Use the renewed certificate that was announced to the broker's operator.",
    ),
    "partner.not-yet-valid": Text(
        number=1004,
        pl="Certyfikat partnera jest ważny dopiero od {since}.",
        en="The partner's certificate is valid from {since} only.",
        hint_pl="Do tego czasu proszę używać poprzedniego certyfikatu.",
        hint_en="Until then use the one before it.",
    ),
    "partner.reply-box": Text(
        number=1010,
        pl="Skrytka {box}, na którą ma przyjść odpowiedź, nie należy do tego partnera.",
        en="The box {box}, to which the answer should go, is not this partner's.",
        hint_pl="AdresOdpowiedzi musi być jedną z własnych skrytek partnera.",
        hint_en="AdresOdpowiedzi must be one of the partner's own boxes.",
    ),
    "partner.box-not-allowed": Text(
        number=1011,
        pl="Ten partner nie może wysyłać do skrytki {box}.",
        en="This partner may not send to the box {box}.",
        hint_pl="Do których skrytek wolno wysyłać, ustala umowa z operatorem brokera.",
        hint_en="Which boxes it may send to is agreed with the broker's operator.",
    ),
    "partner.form-not-allowed": Text(
        number=1012,
        pl="Ten partner nie może wysyłać formularza {form}, lecz tylko: {accepted}.",
        en="This partner may not send the form {form}, only: {accepted}.",
        hint_pl="Które formularze wolno wysyłać, ustala umowa z operatorem brokera.",
        hint_en="Which forms it may send is agreed with the broker's operator.",
    ),
    "partner.too-large": Text(
        number=1013,
        pl="Dokument ma {size} bajtów; ten partner może wysyłać dokumenty do {limit} bajtów.",
        en="The document has {size} bytes; this partner may send documents of up to {limit} bytes.",
        hint_pl="Większe załączniki proszę przekazać inną uzgodnioną drogą.",
        hint_en="Hand over larger attachments in another agreed way.",
    ),
    "partner.reply-queue": Text(
        number=1014,
        pl="Kolejka {queue}, do której ma przyjść odpowiedź, nie należy do tego partnera.",
        en="The queue {queue}, to which the answer should go, is not this partner's.",
        hint_pl="reply_to musi być jedną z kolejek partnera uzgodnionych z operatorem brokera.",
        hint_en="reply_to must be one of the partner's queues agreed with the broker's operator.",
    ),
    "partner.gone": Text(
        number=1015,
        pl="„{partner}” nie jest już partnerem.",
        en="“{partner}” is no partner any more.",
        hint_pl="Usunięto go z konfiguracji, zanim dokument został przyjęty; proszę zwrócić się do operatora brokera.",
        hint_en="It was taken out of the configuration before the document was accepted; ask the broker's operator.",
    ),
}
