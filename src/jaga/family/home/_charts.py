"""Charts as SVG that stands in the page itself, so that it follows the page's colours and asks for nothing.

Pygal draws. What it adds for stand-alone files (a style sheet, a script) is taken out, for the page's policy allows neither; the
classes it gives are styled in static/pages.css. A chart is never alone: the template puts the same numbers as a table behind it.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from datetime import date
from xml.etree import ElementTree

import msgspec
import pygal
from markupsafe import Markup

from jaga.assessment import Day
from jaga.words import Words

__all__ = ["Chart", "hours_chart", "hours_strip", "hours_words", "timeline"]

# Pygal puts a finder for plug-ins into Python's import, in a form that Python 3.12 no longer knows and 3.11 warns of at every import.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != "pygal"]

# More bars than this cannot be told apart on a phone.
_BARS = 45
# Heights of the small bars of a card.
_STEPS = 6
_LEFT_OUT = frozenset(("defs", "desc", "script", "style", "text", "title"))


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What parts.html needs to show one: rows of bars over the same axis, its ends, and the table behind."""

    # (title, picture); the pictures hold no letters, so that print size and language are the page's.
    parts: tuple[tuple[str, Markup], ...]
    # Words under the axis, evenly spread.
    ticks: tuple[str, ...]
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _drawn(values: Sequence[float], label: str | None, kind: str, *, width: int = 360, height: int = 72) -> Markup:
    chart = pygal.Bar(
        js=[],
        css=[],
        no_prefix=True,
        disable_xml_declaration=True,
        explicit_size=False,
        width=width,
        height=height,
        margin=0,
        show_legend=False,
        show_x_labels=False,
        show_y_labels=False,
        show_x_guides=False,
        show_y_guides=False,
        print_values=False,
        no_data_text="",
        # Nothing drawn is no bar, and the axis begins at nothing.
        include_x_axis=True,
    )
    chart.add(kind, [value or None for value in values])
    root = chart.render_tree()
    for part in list(root.iter()):
        # Its style sheet is of no use under the page's policy; its titles repeat each number, which a screen reader would read aloud.
        for child in list(part):
            if child.tag in _LEFT_OUT or not isinstance(child.tag, str):
                part.remove(child)
        part.attrib.pop("style", None)
        part.attrib.pop("id", None)
    root.attrib.update({"class": f"chart {kind}", "preserveAspectRatio": "none", "focusable": "false"})
    root.attrib.update({"aria-hidden": "true"} if label is None else {"role": "img", "aria-label": label})
    # Everything in it went through ElementTree, which escapes.
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704


def timeline(say: Words, days: Sequence[Day]) -> Chart | None:
    """Messages and signs over time, one below the other; None where there are no two bars to compare."""
    step, cells = _cells(days)
    if len(cells) < 2:
        return None
    span = say.plural("{count} day", "{count} days", step)
    loud = [cell for cell in cells if cell[2]]
    most = say("Messages: at most {count} in {days}.", count=max(cell[1] for cell in cells), days=span)
    heard = say.plural(
        "Signs in {count} bar of {all}, first from {first}.",
        "Signs in {count} bars of {all}, first from {first}.",
        len(loud),
        all=len(cells),
        first=loud[0][0] if loud else "-",
    )
    return Chart(
        parts=(
            (say("messages"), _drawn([cell[1] for cell in cells], most, "messages")),
            (say("signs"), _drawn([cell[2] for cell in cells], heard, "signs")),
        ),
        ticks=(cells[0][0], date.fromordinal(days[-1].ordinal + days[-1].span - 1).isoformat()),
        caption=say("Each bar stands for {days}; the higher, the more.", days=span),
        heads=(say("From"), say("messages"), say("signs")),
        rows=tuple((cell[0], f"{cell[1]:,}", f"{cell[2]:.2f}") for cell in cells if cell[1]),
    )


def _cells(days: Sequence[Day]) -> tuple[int, list[tuple[str, int, float]]]:
    """(days in a bar, (first day, messages, signs) for each bar from the first to the last)."""
    if not days:
        return 1, []
    # A long history keeps several days in one entry: a bar never stands for less than an entry.
    least = max(day.span for day in days)
    first, last = days[0].ordinal, days[-1].ordinal
    span = last - first + 1
    step = least * max(1, math.ceil(span / least / _BARS))
    cells: dict[int, tuple[int, float]] = {}
    for day in days:
        cell = (day.ordinal - first) // step
        messages, evidence = cells.get(cell, (0, 0.0))
        cells[cell] = (messages + day.contact_messages + day.child_messages, evidence + day.evidence)
    return step, [
        (date.fromordinal(first + cell * step).isoformat(), *cells.get(cell, (0, 0.0)))
        for cell in range((last - first) // step + 1)
    ]


def hours_chart(say: Words, hours: Sequence[int], title: str) -> Chart | None:
    """At what hours of the day; None where there is nothing to show."""
    if len(hours) != 24 or not any(hours):
        return None
    return Chart(
        parts=((title, _drawn(hours, hours_words(say, hours), "hours")),),
        ticks=("0:00", "6:00", "12:00", "18:00", "24:00"),
        caption=hours_words(say, hours),
        heads=(say("Hour"), say("messages")),
        rows=tuple((f"{hour}:00", f"{count:,}") for hour, count in enumerate(hours) if count),
    )


def hours_strip(hours: Sequence[int]) -> Markup | None:
    """The small one of a card: eight bars of three hours. The card says the same in words, so it is left out for screen readers.

    Drawing takes a millisecond and a page has many: a shape is drawn once.
    """
    if len(hours) != 24 or not any(hours):
        return None
    parts = [sum(hours[at : at + 3]) for at in range(0, 24, 3)]
    return _strip(tuple(math.ceil(_STEPS * count / max(parts)) for count in parts))


@functools.lru_cache(maxsize=4096)
def _strip(heights: tuple[int, ...]) -> Markup:
    return _drawn(heights, None, "hours small", width=120, height=24)


def hours_words(say: Words, hours: Sequence[int]) -> str:
    """The six hours that hold most, as a sentence with their share."""
    total = sum(hours)
    if not total:
        return ""
    start = max(range(24), key=lambda hour: sum(hours[(hour + step) % 24] for step in range(6)))
    share = sum(hours[(start + step) % 24] for step in range(6)) / total
    return say(
        "Mostly between {start}:00 and {end}:00 ({share} of the messages).",
        start=start,
        end=(start + 6) % 24,
        share=f"{round(100 * share)} %",
    )
