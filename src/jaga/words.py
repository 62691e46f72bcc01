"""Every text a person reads goes through here: gettext in ms, en, zh and ta."""

from __future__ import annotations

import functools
import gettext as _gettext
import locale
import os
from importlib import resources
from pathlib import Path

__all__ = ["LANGUAGES", "Words", "choose_language", "words"]

# Code to the language's own name.
LANGUAGES = {"ms": "Bahasa Malaysia", "en": "English", "zh": "中文", "ta": "தமிழ்"}


class Words:
    """Texts in one language. English is the text in the code, and what a missing translation falls back to."""

    def __init__(self, language: str, catalog: _gettext.NullTranslations) -> None:
        self.language = language
        self._catalog = catalog

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language, with `{name}` filled from `values`."""
        translated = self._catalog.gettext(text)
        return translated.format(**values) if values else translated

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        """The text for this number of things; `{count}` is filled."""
        return self._catalog.ngettext(one, many, count).format(count=count, **values)


@functools.cache
def words(language: str) -> Words:
    """Texts in `language`, one of LANGUAGES; anything else is English."""
    if language == "en" or language not in LANGUAGES:
        return Words("en", _gettext.NullTranslations())
    folder = Path(str(resources.files("jaga") / "locale"))
    return Words(language, _gettext.translation("jaga", folder, [language], fallback=True))


def choose_language(asked: str | None = None) -> str:
    """The language asked for, else the machine's, else English.

    Raises: KeyError, if one was asked for that Jaga does not speak.
    """
    if asked:
        code = asked.replace("-", "_").split("_")[0].lower()
        code = {"my": "ms", "bm": "ms", "id": "ms", "cn": "zh"}.get(code, code)
        if code not in LANGUAGES:
            raise KeyError(asked)
        return code
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        code = os.environ.get(name, "").split(":")[0].split(".")[0].split("_")[0].lower()
        if code in LANGUAGES:
            return code
        if code in ("c", "posix", "en") and os.environ.get(name):
            return "en"
    try:
        code = (locale.getlocale()[0] or "").split("_")[0].lower()
    except ValueError:
        code = ""
    return {"malay": "ms", "chinese": "zh", "tamil": "ta"}.get(code, code if code in LANGUAGES else "en")
