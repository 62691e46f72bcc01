"""Sets a document with Typst. Imports nothing of Jaga, so that it runs as a process of its own that starts at once and may die.

    python -P _typeset.py < {"document": {...}, "at": seconds since 1970} > the PDF

Ends with 0 and the PDF on stdout; with MISSING and a font's family on stderr (nothing: Typst itself) if something is not
installed; with REFUSED if Typst gives up. What people wrote goes in as data, never as markup.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["MISSING", "REFUSED", "Missing", "Refused", "fonts", "named", "typeset"]

MISSING = 3
REFUSED = 4
# Packages that bring the fonts (SIL Open Font License). Without them the system's own are looked through.
_FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
# The scripts of the four languages.
_NEEDED = ("Noto Sans", "Noto Sans Tamil", "Noto Sans CJK SC")
# Letters in a row without a place to break a line; a longer word gets one. Not a hash: whoever copies it wants its digits and nothing else.
_LONG = re.compile(r"(?<![!-~])[0-9a-f]{64}(?![!-~])|[!-~]{32}(?=[!-~])")
_HASH = 64
# ASCII without controls, Latin, Tamil, punctuation, Chinese.
_SIMPLE = frozenset(
    letter
    for first, after in (
        (0x20, 0x7F),
        (0xA0, 0x180),
        (0xB80, 0xC00),
        (0x2010, 0x2028),
        (0x3000, 0x3030),
        (0x4E00, 0xA000),
        (0xFF00, 0xFF60),
    )
    for letter in range(first, after)
)


class Missing(Exception):
    """Something is not installed: a font's family, or None for Typst or fontTools."""

    def __init__(self, family: str | None) -> None:
        self.family = family
        super().__init__(family)


class Refused(Exception):
    """Typst gave up, with everything rare already named."""


class Fonts(NamedTuple):
    # typst.Fonts
    found: Any
    # In the order in which they are tried for a letter.
    families: tuple[str, ...]
    # Every code point that has a glyph.
    known: frozenset[int]


def typeset(document: dict[str, Any], at: int) -> bytes:
    """The PDF (PDF/A-2a and PDF/UA-1) of a Document as plain values. `at`: seconds since 1970. Raises: Missing, Refused."""
    have = fonts()
    # Should the fonts know a letter and Typst refuse it all the same, everything rare is named.
    for known in (have.known, _SIMPLE & have.known):
        data = {**_fitted(document, known), "fonts": _order(have.families, document["language"])}
        try:
            return _compiled(data, have.found, at)
        except RuntimeError as error:
            refused = error
    raise Refused(str(refused)) from refused


def named(text: str, known: Collection[int]) -> str:
    """The text with every character for which there is no glyph said by its name: never a box, never silence."""
    if all(ord(character) in known or character == "\n" for character in text):
        return text
    return "".join(
        character if ord(character) in known or character == "\n" else f"[{_name(character)}]" for character in text
    )


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def _fitted(value: Any, known: frozenset[int]) -> Any:
    """All texts in it with unknown letters named and long words given places to break."""
    if isinstance(value, str):
        return _LONG.sub(
            lambda found: found.group() if len(found.group()) == _HASH else found.group() + "\u200b",
            named(value, known),
        )
    if isinstance(value, dict):
        return {key: _fitted(one, known) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_fitted(one, known) for one in value]
    return value


def _compiled(data: dict[str, Any], found: Any, at: int) -> bytes:
    import typst

    template = Path(__file__).with_name("templates") / "pack.typ"
    try:
        compiler = typst.Compiler(
            template.read_bytes(),
            font_paths=found,
            ignore_system_fonts=True,
            sys_inputs={"document": json.dumps(data)},
        )
        made = compiler.compile(
            format="pdf", pdf_standards=["a-2a", "ua-1"], timestamp=datetime.fromtimestamp(at, timezone.utc)
        )
    except BaseException as error:
        # A panic inside Typst comes as an exception that is no Exception; anything else is not ours to keep.
        if type(error).__name__ == "PanicException":
            raise RuntimeError("Typst stopped") from error
        raise
    assert isinstance(made, bytes)
    return made


def _order(families: tuple[str, ...], language: str) -> list[Any]:
    if language.startswith("zh"):
        # Quotation marks and dashes as Chinese sets them.
        return [{"name": families[0], "covers": "latin-in-cjk"}, *families[1:], families[0]]
    return list(families)


@functools.cache
def fonts() -> Fonts:
    """What there is to set with. Raises: Missing."""
    if importlib.util.find_spec("typst") is None or importlib.util.find_spec("fontTools") is None:
        raise Missing(None)
    import typst

    folders = list(_folders())
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    if not set(_NEEDED) <= set(found.families()):
        found = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False, font_paths=folders)
    there = {family for family in found.families() if family.startswith("Noto Sans") or family == "Noto Emoji"}
    for family in _NEEDED:
        if family not in there:
            raise Missing(family)
    families = (*_NEEDED, *sorted(there - set(_NEEDED)))
    known: set[int] = set()
    seen: set[str] = set()
    for font in found.fonts():
        # The faces of a CJK collection differ in shapes, not in what they cover: one tells for all.
        if font.family in families and font.path is not None and font.path not in seen:
            seen.add(font.path)
            known.update(_letters(font.path, font.index))
    # PDF/A forbids these two whatever a font has.
    return Fonts(found, families, frozenset(known - {0, 0xFEFF}))


def _letters(path: str, index: int) -> Iterator[int]:
    from fontTools.ttLib import TTFont

    font = TTFont(path, fontNumber=index, lazy=True)
    try:
        yield from font.getBestCmap()
    finally:
        font.close()


def _folders() -> Iterator[str]:
    for package in _FONT_PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found is not None else ():
            yield str(Path(folder).resolve())


def main() -> int:
    asked = json.load(sys.stdin.buffer)
    try:
        made = typeset(asked["document"], asked["at"])
    except Missing as missing:
        sys.stderr.write(missing.family or "")
        return MISSING
    except Refused:
        return REFUSED
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
