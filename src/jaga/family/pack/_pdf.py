"""A Document as a tagged PDF (PDF/A-2a, ISO 19005-2, and PDF/UA-1, ISO 14289-1), set by Typst with HarfBuzz-class shaping.

What people wrote goes in as data, never as markup. A character for which no font has a glyph is said by its name.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from jaga.errors import DataNeeded
from jaga.family.pack._blocks import Document
from jaga.family.pack._visible import named

__all__ = ["as_pdf"]

# Packages that bring the fonts (SIL Open Font License). Without them the system's own are looked through.
_FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
# The scripts of the four languages.
_NEEDED = ("Noto Sans", "Noto Sans Tamil", "Noto Sans CJK SC")
# Letters in a row without a place to break a line; a longer word gets one. Not a hash: whoever copies it wants its digits and nothing else.
_LONG = re.compile(r"(?<![!-~])[0-9a-f]{64}(?![!-~])|[!-~]{32}(?=[!-~])")
_HASH = 64


class _Fonts(msgspec.Struct, frozen=True):
    fonts: Any
    # In the order in which they are tried for a letter.
    families: tuple[str, ...]
    # Every code point that has a glyph.
    known: frozenset[int]


def as_pdf(document: Document, *, now: datetime) -> bytes:
    """The PDF; the same bytes for the same document and time. Raises: DataNeeded, if Typst or a font is missing, or Typst gives up."""
    fonts = _fonts()
    plain = msgspec.to_builtins(document)
    error: Exception | None = None
    # Should the fonts know a letter and Typst still refuse it, everything beyond ASCII, Tamil and Chinese is named.
    for known in (fonts.known, _SIMPLE & fonts.known):
        data = {**_fitted(plain, known), "fonts": _order(fonts.families, document.language)}
        try:
            return _compiled(data, fonts.fonts, now)
        except RuntimeError as refused:
            error = refused
    raise DataNeeded("the PDF could not be set", remedy="the page (HTML) says the same") from error


def _compiled(data: dict[str, Any], fonts: Any, now: datetime) -> bytes:
    import typst

    source = (resources.files("jaga.family.pack") / "templates" / "pack.typ").read_bytes()
    try:
        compiler = typst.Compiler(
            source,
            font_paths=fonts,
            ignore_system_fonts=True,
            sys_inputs={"document": msgspec.json.encode(data).decode()},
        )
        made = compiler.compile(format="pdf", pdf_standards=["a-2a", "ua-1"], timestamp=now.astimezone(timezone.utc))
    except BaseException as error:
        # A panic inside Typst comes as an exception that is no Exception; anything else is not ours to keep.
        if type(error).__name__ == "PanicException":
            raise RuntimeError("Typst stopped") from error
        raise
    assert isinstance(made, bytes)
    return made


# ASCII without controls, Tamil, Chinese with its punctuation, general punctuation.
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


def _fitted(value: Any, known: frozenset[int]) -> Any:
    """All texts in it with unknown letters named and long words given a place to break."""
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


def _order(families: tuple[str, ...], language: str) -> list[Any]:
    first: list[Any] = list(families)
    if language.startswith("zh"):
        # Quotation marks and dashes as Chinese sets them.
        first[0] = {"name": families[0], "covers": "latin-in-cjk"}
        first += [families[0]]
    return first


@functools.cache
def _fonts() -> _Fonts:
    if importlib.util.find_spec("typst") is None or importlib.util.find_spec("fontTools") is None:
        raise DataNeeded("a PDF needs more than this install has", remedy="install jaga[pack]")
    import typst

    folders = list(_folders())
    own = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    if not set(_NEEDED) <= set(own.families()):
        own = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False, font_paths=folders)
    there = {family for family in own.families() if family.startswith("Noto Sans") or family == "Noto Emoji"}
    for family in _NEEDED:
        if family not in there:
            raise DataNeeded(
                f"a PDF needs the font {family}",
                remedy="install jaga[pack], or Debian's fonts-noto-core and fonts-noto-cjk",
            )
    families = (*_NEEDED, *sorted(there - set(_NEEDED)))
    known: set[int] = set()
    seen: set[tuple[str, int]] = set()
    for font in own.fonts():
        if font.family not in families or font.path is None or (font.path, font.index) in seen:
            continue
        seen.add((font.path, font.index))
        known.update(_letters(font.path, font.index))
    # What Typst takes for a place to break or to join is no glyph and needs none.
    return _Fonts(own, families, frozenset(known - {0, 0xFEFF}))


def _letters(path: str, index: int) -> Iterator[int]:
    from fontTools.ttLib import TTFont

    # The faces of a CJK collection differ in shapes, not in what they cover.
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
