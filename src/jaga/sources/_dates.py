"""Dates written out in words (`Sep 22, 2017 6:33 am`), in any language CLDR knows, and which of three numbers is the day."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from datetime import date, datetime

__all__ = ["date_of", "decide_order", "parse_written"]

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
    month = _month(words)
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


def _month(words: Sequence[str]) -> int | None:
    near = _months(("en", "ms", "id", "zh", "ta"))
    found = next((near[word] for word in words if word in near), None)
    # Reading every locale takes seconds: not for a weekday that stands beside a known month.
    if found is None and any(len(word) >= 3 for word in words):
        every = _all_months()
        found = next((every[word] for word in words if len(word) >= 3 and word in every), None)
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


# ---------------------------------------------------------------- which number is the day?

_READINGS = {"DMY": (2, 1, 0), "MDY": (2, 0, 1), "YMD": (0, 1, 2)}
_WORDS = {"DMY": "day/month/year", "MDY": "month/day/year", "YMD": "year/month/day"}


def date_of(text: str, order: str) -> date | None:
    """The day three numbers name in an order (DMY, MDY, YMD); None if there is no such day. Buddhist years are understood."""
    numbers = [int(part) for part in _NUMBERS.findall(text)]
    if len(numbers) != 3:
        return None
    year, month, day = (numbers[index] for index in _READINGS[order])
    digits = [len(part) for part in _NUMBERS.findall(text)]
    # A short year stands last wherever WhatsApp is used; 24/2/13 is not.
    if digits[_READINGS[order][0]] != 4 and (order == "YMD" or digits[_READINGS[order][0]] != 2):
        return None
    if year < 100:
        year += 2000
    # Buddhist years are written in Thailand.
    if 2543 <= year <= 2643:
        year -= 543
    if not 2009 <= year <= 2099:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def decide_order(
    dates: Sequence[str],
    periods: dict[str, list[int]],
    misfits: str = "those lines are kept as part of the message before",
) -> tuple[str, str, str | None]:
    """(order, why, a note for the reader when it had to be judged).

    Over every date of the file: an order that makes a date impossible loses; then the one in which time runs backwards
    less often; then the one in which the chat is not spread thin; then the custom of most of the world. `misfits`: what becomes of
    lines whose date does not fit, for the note.
    """
    readings = {order: [date_of(text, order) for text in dates] for order in _READINGS}
    valid = {order: sum(day is not None for day in days) for order, days in readings.items()}
    most = max(valid.values())
    left = [order for order, count in valid.items() if count == most]
    if len(left) == 1:
        reason = "other orders make impossible dates"
        doubt = None
        if most < len(dates):
            doubt = (
                f"{len(dates) - most} of {len(dates)} dates do not fit the order {_WORDS[left[0]]} that the others show "
                f"(pasted text?): {misfits}"
            )
        return left[0], reason, doubt

    def known(order: str) -> list[date]:
        return [day for day in readings[order] if day is not None]

    if most > 1:
        backwards = {
            order: sum(later < earlier for earlier, later in zip(known(order), known(order)[1:], strict=False))
            for order in left
        }
        fewest = min(backwards.values())
        ordered = [order for order in left if backwards[order] == fewest]
        if len(ordered) == 1:
            return ordered[0], "only so do the times run forward", None
        span = {order: (max(known(order)) - min(known(order))).days for order in ordered}
        narrow = min(span.values())
        dense = [order for order in ordered if span[order] == narrow]
        if len(dense) == 1:
            others = " or ".join(_WORDS[order] for order in ordered if order != dense[0])
            return (
                dense[0],
                "the days lie closest together so",
                (
                    f"its dates could also be read as {others}; read as {_WORDS[dense[0]]} because the days lie closest together so: "
                    "compare one date with the phone"
                ),
            )
        left = dense
    # American English is the one common style with single digits, a short year and capital AM/PM.
    american = (
        all(re.match(r"^[1-9]\d?/[1-9]\d?/\d\d$", text) for text in dates) and set(periods) <= {"am", "pm"} and periods
    )
    order = "MDY" if american and "MDY" in left else "DMY" if "DMY" in left else left[0]
    others = " or ".join(_WORDS[one] for one in left if one != order)
    return (
        order,
        "assumed: the dates allow several orders",
        (
            f"its dates can be read as {_WORDS[order]} or {others} and nothing in the file decides; read as {_WORDS[order]}: compare one "
            "date with the phone"
        ),
    )
