"""The report as one self-contained page: for reading, printing, and taking along. No script, nothing from the network."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import math
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from jaga import __version__
from jaga.assessment import Assessment
from jaga.cli._words import (
    author_words,
    calm_words,
    cannot_tell,
    certainty_words,
    change_words,
    child_missing,
    contact_words,
    example_words,
    level_words,
    next_steps,
    opinion_words,
    owner_words,
    picture_words,
    platform_words,
    risk_words,
    said_words,
    source_words,
    span_words,
    stage_words,
    strongest,
    weighed_words,
    when,
    why,
)
from jaga.family import Checked
from jaga.files import whole_file
from jaga.guidance import Guidance
from jaga.sources import zone_of
from jaga.words import LANGUAGES, Words

__all__ = ["write_html"]


# More bars than this cannot be told apart on a phone.
_BARS = 60
_SHOWN = 10
_WEIGHED = 8
_CHANGES = 3


def write_html(path: Path, checked: Checked, guidance: Guidance, say: Words, age: int | None) -> None:
    """Write the report to `path`, whole or not at all. Raises: OSError."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaga.cli"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [one for one in checked.assessments if one.level != "none"]
    style = (resources.files("jaga.cli") / "templates" / "report.css").read_text(encoding="utf-8")
    # The policy of the page allows this one style sheet and nothing else: no script, no style in the text, no picture.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("report.html").render(
        say=say,
        page_language="zh-Hans" if say.language == "zh" else say.language,
        # Ours, from the wheel; nothing of an export gets into it.
        style=Markup(style),  # noqa: S704
        style_hash=Markup(f"sha256-{digest}"),  # noqa: S704
        version=__version__,
        inputs=[
            {
                "path": item.path,
                "known": item.source is not None,
                "format": source_words(say, item.source),
                "conversations": item.conversations,
                "messages": item.messages,
                "lost": max(item.skipped, sum(1 for problem in item.problems if not problem.note)),
            }
            for item in checked.inputs
        ],
        span=span_words(say, checked),
        pictures=picture_words(say, checked),
        owner=owner_words(say, checked),
        missing=child_missing(say, checked),
        limits=cannot_tell(say, checked),
        problems=sorted((problem for item in checked.inputs for problem in item.problems), key=lambda one: one.note),
        cards=[_card(one, checked, guidance, say, age) for one in shown],
        serious=any(one.level in ("concern", "urgent") for one in shown),
        calm=calm_words(say, checked),
        partly=checked.partly_unread,
        quiet=len(checked.assessments) - len(shown),
        helplines=guidance.helplines,
        keep=guidance.keep.steps if guidance.keep else (),
    )
    if path.exists() and not path.is_file():
        # A pipe or a device is written to; put in its place, the report would destroy it.
        path.write_text(page, encoding="utf-8")
        return
    # It holds private messages: for its owner only, whatever the folder allows.
    with whole_file(path) as file:
        file.write(page.encode("utf-8"))


def _card(one: Assessment, checked: Checked, guidance: Guidance, say: Words, age: int | None) -> dict[str, Any]:
    zone = zone_of(checked.zone_name)
    law = guidance.laws.get(one.risk_type or "")
    explained = checked.explanations.get(one.contact)
    like = {} if explained is None else {like.message: like.near for like in explained.like}
    return {
        "contact": contact_words(say, one),
        "level": one.level,
        "level_words": level_words(say, one.level),
        "risk": risk_words(say, one.risk_type),
        "stage": stage_words(say, one.stage),
        "score": f"{one.score:.2f}",
        "platforms": platform_words(one),
        "messages": one.messages,
        "why": why(say, one),
        "evidence": [
            {
                "when": when(piece.sent_at, zone),
                "who": author_words(say, one, piece),
                "text": said_words(say, piece),
                "language": piece.language if piece.language in LANGUAGES else None,
                "why": reasons,
                "like": example_words(say, like[piece.message]) if piece.message in like else "",
            }
            for piece, reasons in strongest(say, one, _SHOWN)
        ],
        "came": None
        if explained is None
        else {
            "weighed": weighed_words(say, explained, _WEIGHED),
            "changes": change_words(say, explained, zone, _CHANGES),
            "sure": certainty_words(say, one, explained),
        },
        "second": opinion_words(say, checked.opinions[one.contact]) if one.contact in checked.opinions else [],
        "steps": next_steps(say, guidance, one, age),
        "talk": {say(text) for text in guidance.talk.values()},
        "law": say(law) if law and one.level in ("concern", "urgent") else None,
        "chart": _chart(one, say),
    }


def _cells(one: Assessment) -> tuple[int, list[tuple[str, int, float]]]:
    """(days in a cell, (first day, messages, signs) for each cell from the first to the last)."""
    if not one.days:
        return 1, []
    first, last = one.days[0].ordinal, one.days[-1].ordinal
    span = last - first + 1
    step = 1 if span <= 21 else 7 if span <= 7 * _BARS else 7 * math.ceil(span / (7 * _BARS))
    # Weeks begin on Monday.
    start = first if step == 1 else first - dt.date.fromordinal(first).weekday()
    cells: dict[int, tuple[int, float]] = {}
    for day in one.days:
        cell = (day.ordinal - start) // step
        messages, evidence = cells.get(cell, (0, 0.0))
        cells[cell] = (messages + day.contact_messages + day.child_messages, evidence + day.evidence)
    return step, [
        (dt.date.fromordinal(start + cell * step).isoformat(), *cells.get(cell, (0, 0.0)))
        for cell in range((last - start) // step + 1)
    ]


def _chart(one: Assessment, say: Words) -> dict[str, Any] | None:
    """Two rows of bars over the same time. The page draws them without letters, so they may be stretched to any width."""
    step, cells = _cells(one)
    if len(cells) < 2:
        return None
    loud = [cell for cell in cells if cell[2]]
    busiest = max(cell[1] for cell in cells)
    days = say.plural("{count} day", "{count} days", step)
    return {
        "cells": cells,
        "first": cells[0][0],
        "last": dt.date.fromordinal(one.days[-1].ordinal).isoformat(),
        "caption": say("Each bar stands for {days}; the higher, the more.", days=days),
        "rows": [
            {
                "kind": "messages",
                "title": say("messages"),
                "summary": say("Messages: at most {count} in {days}.", count=busiest, days=days),
                "bars": _bars([float(cell[1]) for cell in cells]),
            },
            {
                "kind": "signs",
                "title": say("signs"),
                "summary": say.plural(
                    "Signs in {count} bar of {all}, first from {first}.",
                    "Signs in {count} bars of {all}, first from {first}.",
                    len(loud),
                    all=len(cells),
                    first=loud[0][0] if loud else "-",
                ),
                "bars": _bars([cell[2] for cell in cells]),
            },
        ],
    }


def _bars(values: list[float]) -> list[dict[str, str]]:
    """Rectangles in a box 100 high and one unit wide for each value; none for nothing."""
    top = max(values)
    # Two days must not become two walls.
    width = min(0.8, 0.05 * len(values))
    return [
        {
            "x": f"{index + (1 - width) / 2:.3f}",
            "width": f"{width:.3f}",
            # The least bar is still seen.
            "y": f"{100 - max(96 * value / top, 3):.2f}",
            "height": f"{max(96 * value / top, 3):.2f}",
        }
        for index, value in enumerate(values)
        if value
    ]
