"""What the AMQP channel says of a message that cannot become an envelope, or that came too often."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "amqp.no-sender": Text(
        number=750,
        pl="Wiadomość nie mówi, kto ją wysyła: brak nagłówka „sender”.",
        en='The message does not say who sends it: the header "sender" is missing.',
        hint_pl="Proszę podać w nagłówku „sender” nazwę, pod którą nadawca jest znany.",
        hint_en='Put the name under which the sender is known into the header "sender".',
    ),
    "amqp.header": Text(
        number=751,
        pl="Nagłówek „{name}” wiadomości ma niedozwoloną wartość.",
        en='The header "{name}" of the message has a value that is not allowed.',
        hint_pl="Wartość musi być tekstem w UTF-8 bez znaków sterujących, nie dłuższym niż tysiąc znaków; „trial” musi być wartością logiczną albo jednym ze słów true, false.",
        hint_en="A value must be text in UTF-8 without control characters, of at most a thousand characters; `trial` must be a boolean, or one of the words true, false.",
    ),
    "amqp.redelivered": Text(
        number=752,
        pl="Wiadomość doręczono ponownie {times} razy i nigdy nie dokończono jej przyjęcia; odłożono ją nieprzeczytaną.",
        en="The message was redelivered {times} times and taking it in was never finished; it was put aside unread.",
        hint_pl="Dla operatora: proszę sprawdzić w dzienniku, co kończyło przyjmowanie, a potem przenieść wiadomość z powrotem do kolejki.",
        hint_en="For the operator: find in the log what ended the intake, then move the message back to the queue.",
    ),
    "amqp.parcel": Text(
        number=753,
        pl="Wiadomość nie jest przesyłką brokera.",
        en="The message is not a parcel of the broker.",
    ),
}
