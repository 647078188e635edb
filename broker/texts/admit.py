"""What stage admit says when a box does not take a document, though nothing in the document is wrong."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "admit.sender-not-accepted": Text(
        number=500,
        pl="Skrytka {box} nie przyjmuje dokumentów od tego nadawcy.",
        en="The box {box} takes no documents from this sender.",
        hint_pl="O dostęp do skrytki proszę zwrócić się do urzędu, do którego należy.",
        hint_en="Ask the office to which the box belongs for access.",
    ),
    "admit.form-not-accepted": Text(
        number=501,
        pl="Skrytka {box} nie przyjmuje formularza {form}, lecz tylko: {accepted}.",
        en="The box {box} does not take the form {form}, only: {accepted}.",
        hint_pl="Proszę wysłać dokument do skrytki urzędu, która przyjmuje ten formularz.",
        hint_en="Send the document to a box of the office that takes this form.",
    ),
    "admit.signature-missing": Text(
        number=510,
        pl="Formularz {form} wysłany do skrytki {box} musi być podpisany, a nie zawiera podpisu.",
        en="The form {form} sent to the box {box} must be signed, and bears no signature.",
        hint_pl="Proszę podpisać dokument i wysłać go ponownie.",
        hint_en="Sign the document and send it again.",
    ),
    "admit.level-too-low": Text(
        number=511,
        pl="Rodzaj podpisu ({level}) jest zbyt słaby: wymagany jest co najmniej {needed}.",
        en="The kind of signature ({level}) is too weak: at least {needed} is required.",
        hint_pl="Od najsłabszego: local (urząd certyfikacji prowadzony przez urzędy), trusted-profile (podpis zaufany), qualified (podpis kwalifikowany). Rozstrzyga najsłabszy podpis w dokumencie.",
        hint_en="Weakest first: local (a CA that the offices run), trusted-profile (podpis zaufany), qualified. The weakest signature in the document decides.",
    ),
    "admit.too-few-signatures": Text(
        number=512,
        pl="Dokument podpisało osób: {signatures}; wymagane są podpisy różnych osób w liczbie {needed}.",
        en="The document was signed by {signatures} signer(s); signatures of {needed} different signers are required.",
        hint_pl="Kilka podpisów tej samej osoby liczy się jako jeden, kontrasygnaty nie liczą się wcale.",
        hint_en="Several signatures of one signer count as one, counter-signatures do not count.",
    ),
    "admit.grace": Text(
        number=520,
        pl="Dokument przyjęto, choć nie wiadomo jeszcze, czy certyfikat nie został unieważniony: wydawca certyfikatu nie odpowiada. Podpis zostanie sprawdzony ponownie.",
        en="The document was let in though it is not known yet whether a certificate is revoked: its issuer does not answer. The signature will be judged again.",
        hint_pl="Wynik ponownego sprawdzenia będzie zapisany przy dokumencie.",
        hint_en="What is found then will be kept with the document.",
    ),
}
