"""Dates written out in words (`Sep 22, 2017 6:33 am`), in any language CLDR knows."""

from __future__ import annotations

import functools
import re
from datetime import datetime

__all__ = ["parse_written"]

_NUMBERS = re.compile(r"\d+")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?")
_WORD = re.compile(r"[^\W\d_]+\.?")
_SPACES = re.compile(r"[\u00a0\u202f\u2009]")
_PM = frozenset(
    ["pm", "p", "m", "ptg", "petang", "malam", "tengahari", "下午", "晚上", "오후", "午後", "பிற்பகல்", "மாலை", "இரவு"]
) - {"m"}
_AM = frozenset(["am", "a", "pg", "pagi", "上午", "凌晨", "早上", "오전", "午前", "முற்பகல்", "காலை"])


def parse_written(text: str) -> datetime | None:
    """The local time a text names, without a zone; None if there is no day, month, year and clock in it.

    Month names are looked up in English, Malay, Chinese, Tamil and Indonesian, then in every CLDR locale.
    """
    text = _SPACES.sub(" ", text)
    clock = _CLOCK.search(text)
    if clock is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    rest = text[: clock.start()] + " " + text[clock.end() :]
    words = [word.rstrip(".").casefold() for word in _WORD.findall(rest)]
    squeezed = re.sub(r"[.\s]", "", rest).casefold()
    afternoon = any(word in _PM for word in words) or "pm" in squeezed[-4:] or "下午" in rest or "晚上" in rest
    morning = any(word in _AM for word in words) or "am" in squeezed[-4:] or "上午" in rest or "凌晨" in rest
    if afternoon and hour < 12:
        hour += 12
    elif morning and not afternoon and hour == 12:
        hour = 0
    numbers = [int(number) for number in _NUMBERS.findall(rest)]
    month = next((found for word in words if (found := _month(word)) is not None), None)
    years = [number for number in numbers if number >= 1900]
    if not years:
        return None
    year = years[0]
    others = [number for number in numbers if number != year]
    if month is None:
        # 2024年2月13日, 13/02/2024: the year's side tells the order as far as it can be told.
        if len(others) < 2:
            return None
        first, other = others[0], others[1]
        month, day = (first, other) if numbers[0] == year or other > 12 else (other, first)
    else:
        if not others:
            return None
        day = others[0]
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _month(word: str) -> int | None:
    found = _months(("en", "ms", "id", "zh", "ta")).get(word)
    if found is None and len(word) >= 3:
        found = _all_months().get(word)
    return found


@functools.cache
def _months(locales: tuple[str, ...]) -> dict[str, int]:
    from babel import Locale, UnknownLocaleError

    names: dict[str, int] = {}
    for code in locales:
        try:
            months = Locale.parse(code).months
        except (UnknownLocaleError, ValueError):
            continue
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in months.get(context, {}).get(width, {}).items():
                    names.setdefault(name.rstrip(".").casefold(), number)
    return names


@functools.cache
def _all_months() -> dict[str, int]:
    from babel.localedata import locale_identifiers

    return _months(tuple(code for code in locale_identifiers() if len(code) <= 3))
