"""Translations: placeholders survive, and a shipped language is really spoken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from jaga.words import choose_language, words

FILES = sorted((Path(__file__).parents[1] / "src" / "jaga" / "locale").glob("*/LC_MESSAGES/*.po"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_translations_keep_their_placeholders(path: Path) -> None:
    with path.open("rb") as stream:
        catalog = read_po(stream)
    for message in catalog:
        if not message.id:
            continue
        source = message.id if isinstance(message.id, str) else message.id[-1]
        said = message.string or ()
        for text in [said] if isinstance(said, str) else said:
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", source))


def test_malay_is_spoken_and_english_is_the_fallback() -> None:
    assert words("ms")("Act today") == "Bertindak hari ini"
    assert words("zh")("Act today") == "今天就要行动"
    assert words("zh")("no such text") == "no such text"


def test_the_language_asked_for_is_found() -> None:
    assert choose_language("ms-MY") == "ms"
    with pytest.raises(KeyError):
        choose_language("xx")
