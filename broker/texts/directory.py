"""What the channel `directory` says when a message in its folder is none."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {
    "directory.slip": Text(
        number=790,
        pl="Plik opisujący przesyłkę jest niepoprawny: {reason}.",
        en="The file that describes the message is wrong: {reason}.",
        hint_pl="Proszę poprawić plik JSON i złożyć przesyłkę ponownie.",
        hint_en="Correct the JSON file and put the message in again.",
    ),
}
