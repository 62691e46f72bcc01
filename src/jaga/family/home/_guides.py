"""The export guides as data (guides.toml), and the letters in their drawn screens fitted to their place."""

from __future__ import annotations

import functools
import unicodedata
from datetime import date
from importlib import resources
from typing import Literal

import msgspec

from jaga.words import Words

__all__ = ["Guide", "Guides", "Label", "fitted", "guide_of", "guides", "texts"]

Screen = Literal["chat_name", "chat_menu", "list", "sheet", "tick", "mail", "computer", "files", "bring"]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    screen: Screen
    # What stands on the marked place; empty where a sign stands there.
    label: str
    # The label is a name, the same in every language.
    named: bool = False


class Guide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    name: str
    platforms: tuple[str, ...]
    sources: tuple[str, ...]
    note: str
    steps: tuple[Step, ...]


class Guides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    checked_on: date
    guides: tuple[Guide, ...]
    # The end of every guide.
    last: Step


@functools.cache
def guides() -> Guides:
    raw = (resources.files("jaga.family.home") / "guides.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Guides)


@functools.cache
def guide_of(platform: str) -> str | None:
    """The guide of an app, as records name it; None if there is none."""
    return next((one.id for one in guides().guides if platform in one.platforms), None)


def texts() -> list[str]:
    """Every English text in it, for the translations."""
    known = guides()
    found = [one.note for one in known.guides]
    found += [
        text
        for one in known.guides
        for step in (*one.steps, known.last)
        for text in (step.text, "" if step.named else step.label)
    ]
    found += [one.name for one in known.guides if " " in one.name]
    return [text for text in dict.fromkeys(found) if text]


class Label(msgspec.Struct, frozen=True):
    """Lines of a label and the size of their letters, in the units of the picture."""

    lines: tuple[str, ...]
    size: float


def fitted(say: Words, text: str, room: float) -> Label:
    """A label broken into at most two lines and made small enough for `room` units: SVG breaks no lines by itself."""
    said = say(text) if text else ""
    lines = _broken(said, 2) if _width(said) * 11.0 > room else (said,)
    widest = max(map(_width, lines), default=0.0)
    # Two lines have to share the height.
    most = 11.0 if len(lines) == 1 else 9.5
    return Label(lines, round(min(most, room / widest), 1) if widest else most)


def _width(text: str) -> float:
    """About how many ems it takes: marks take none, Chinese letters a whole, Tamil ones too, others a little over a half."""
    total = 0.0
    for letter in text:
        if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
            continue
        if unicodedata.east_asian_width(letter) in ("W", "F") or "\u0b80" <= letter <= "\u0bff":
            total += 1.0
        else:
            total += 0.6
    return total


def _broken(text: str, most: int) -> tuple[str, ...]:
    """Broken where the lines come out most alike: at a space, or anywhere in Chinese."""
    places = [at for at, letter in enumerate(text) if letter == " "]
    if not places:
        places = [at for at in range(1, len(text)) if unicodedata.east_asian_width(text[at]) in ("W", "F")]
    if not places or most < 2:
        return (text,)
    best = min(places, key=lambda at: max(_width(text[:at]), _width(text[at:].strip())))
    return (text[:best].strip(), text[best:].strip())
