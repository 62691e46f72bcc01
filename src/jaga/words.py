"""Every text a person reads goes through here: gettext in ms, en, zh and ta.

Most texts are looked up where they are said (`say("...")`). Some come in English from rooms that know no reader: what
a source found wrong with a file, an error, a fault in the command line. Those are *found* texts: the catalogue holds
their templates under a context of their own, and `Words.found` recognises the text and says it in the reader's language.
"""

from __future__ import annotations

import functools
import gettext as _gettext
import locale
import os
import re
from importlib import resources
from pathlib import Path

__all__ = ["FOUND", "LANGUAGES", "Words", "choose_language", "words"]

# Code to the language's own name.
LANGUAGES = {"ms": "Bahasa Malaysia", "en": "English", "zh": "中文", "ta": "தமிழ்"}

# The context (msgctxt) of templates of texts that come in English from the rooms behind.
FOUND = "found"
# Where the remedy begins is looked for no further than this, for what a hostile file wrote may be full of brackets.
_BRACKETS = 500
_FIELD = re.compile(r"\{(\w+)\}")


class _Template:
    """The English of a found text, to be recognised: fixed parts with fields between them."""

    def __init__(self, text: str) -> None:
        parts = _FIELD.split(text)
        self.fixed = parts[0::2]
        self.names = parts[1::2]
        self.known = sum(map(len, self.fixed))

    def fields(self, text: str) -> dict[str, str] | None:
        """What stands in the fields, or None if the text is another one.

        By plain search from left to right, not by a regular expression: a field may hold what a hostile file wrote.
        """
        head, *rest = self.fixed
        if not text.startswith(head) or not text.endswith(self.fixed[-1]):
            return None
        at = len(head)
        end = len(text) - len(self.fixed[-1])
        values: dict[str, str] = {}
        for index, name in enumerate(self.names):
            until = end if index == len(self.names) - 1 else text.find(rest[index], at + 1, end)
            if until <= at:
                return None
            values[name] = text[at:until]
            at = until + len(rest[index])
        return values


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
        """The text for this number of things; `{count}` is filled, with commas as all four languages write it in Malaysia."""
        return self._catalog.ngettext(one, many, count).format(count=f"{count:,}", **values)

    def found(self, text: str) -> str:
        """A text that came in English from a room that knows no reader; as it is when nobody translated it."""
        # "what (remedy)": the two are written apart and joined on the way. A remedy may hold brackets of its own. A text that ends with a
        # field would take the remedy for a part of it, so both halves are looked for before the whole.
        half: str | None = None
        at = text.find(" (")
        while at > 0 and text.endswith(")"):
            what, remedy = self._recognised(text[:at]), self._recognised(text[at + 2 : -1])
            if what is not None or remedy is not None:
                joined = self._catalog.gettext("{what} ({remedy})")
                said = joined.format(what=what or text[:at], remedy=remedy or text[at + 2 : -1])
                if what is not None and remedy is not None:
                    return said
                half = half or said
            at = text.find(" (", at + 1) if at < _BRACKETS else -1
        return self._recognised(text) or half or text

    def _recognised(self, text: str) -> str | None:
        exact = self._catalog.pgettext(FOUND, text)
        if exact != text:
            return exact
        for template, translated in self._templates:
            values = template.fields(text)
            if values is not None:
                known = {name: self._catalog.pgettext(FOUND, value) for name, value in values.items()}
                return translated.format(**known)
        return None

    def place(self, where: str) -> str:
        """A place in a file, such as `chat.txt: line 12`: the name stays, the rest is said in this language."""
        name, colon, rest = where.rpartition(": ")
        return f"{name}{colon}{self.found(rest)}" if colon else where

    @functools.cached_property
    def _templates(self) -> list[tuple[_Template, str]]:
        # gettext offers no way to list a context's texts; its catalogue keys them as "context\x04text".
        catalog: dict[object, str] = getattr(self._catalog, "_catalog", {})
        prefix = f"{FOUND}\x04"
        templates = [
            (_Template(key.removeprefix(prefix)), said)
            for key, said in catalog.items()
            if isinstance(key, str) and key.startswith(prefix) and _FIELD.search(key)
        ]
        # The one with most fixed text first: it is the closest.
        return sorted(templates, key=lambda one: -one[0].known)


@functools.cache
def words(language: str) -> Words:
    """Texts in `language`, one of LANGUAGES; anything else is English."""
    if language == "en" or language not in LANGUAGES:
        return Words("en", _gettext.NullTranslations())
    folder = Path(str(resources.files("jaga") / "locale"))
    return Words(language, _gettext.translation("jaga", folder, [language], fallback=True))


def choose_language(asked: str | None = None) -> str:
    """The language asked for, else the one in JAGA_LANG, else the machine's, else English.

    Raises: KeyError, if one was asked for that Jaga does not speak.
    """
    if asked:
        code = asked.replace("-", "_").split("_")[0].lower()
        code = {"my": "ms", "bm": "ms", "id": "ms", "cn": "zh"}.get(code, code)
        if code not in LANGUAGES:
            raise KeyError(asked)
        return code
    for name in ("JAGA_LANG", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
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
