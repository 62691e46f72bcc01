"""The report as one self-contained page: for reading, printing, and taking along. No script, nothing from the network."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from jaga import __version__
from jaga.assessment import Assessment
from jaga.cli._words import (
    author_words,
    cannot_judge,
    contact_words,
    level_words,
    next_steps,
    owner_words,
    risk_words,
    stage_words,
    strongest,
    when,
    why,
)
from jaga.family import Checked
from jaga.guidance import Guidance
from jaga.sources import zone_of
from jaga.words import Words

__all__ = ["write_html"]


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
    page = environment.get_template("report.html").render(
        say=say,
        version=__version__,
        inputs=checked.inputs,
        owner=owner_words(say, checked),
        limits=cannot_judge(say, checked.unjudged),
        problems=[problem for item in checked.inputs for problem in item.problems],
        messages=checked.messages,
        zone=checked.zone_name,
        cards=[_card(one, checked, guidance, say, age) for one in shown],
        serious=any(one.level in ("concern", "urgent") for one in shown),
        quiet=len(checked.assessments) - len(shown),
        helplines=guidance.helplines,
        keep=guidance.keep.steps if guidance.keep else (),
    )
    if path.exists() and not path.is_file():
        # A pipe or a device is written to; put in its place, the report would destroy it.
        path.write_text(page, encoding="utf-8")
        return
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _card(one: Assessment, checked: Checked, guidance: Guidance, say: Words, age: int | None) -> dict[str, Any]:
    zone = zone_of(checked.zone_name)
    evidence = [
        {"when": when(piece.sent_at, zone), "who": author_words(say, one, piece), "text": piece.text, "why": reasons}
        for piece, reasons in strongest(say, one, 10)
    ]
    weeks = _weeks(one)
    return {
        "contact": contact_words(say, one),
        "level": one.level,
        "level_words": level_words(say, one.level),
        "risk": risk_words(say, one.risk_type),
        "stage": stage_words(say, one.stage),
        "score": f"{one.score:.2f}",
        "platforms": ", ".join(one.platforms),
        "messages": one.messages,
        "why": why(say, one),
        "evidence": evidence,
        "steps": next_steps(say, guidance, one, age),
        "talk": {say(text) for text in guidance.talk.values()},
        "law": guidance.laws.get(one.risk_type or "") if one.level in ("concern", "urgent") else None,
        "weeks": weeks,
        "chart": _chart(weeks, say) if len(weeks) > 1 else None,
    }


def _weeks(one: Assessment) -> list[tuple[str, int, float]]:
    """(Monday, messages, signs) for each week from the first to the last; days when the whole is under three weeks."""
    if not one.days:
        return []
    first, last = one.days[0].ordinal, one.days[-1].ordinal
    step = 1 if last - first < 21 else 7
    start = first if step == 1 else first - (dt.date.fromordinal(first).weekday())
    cells: dict[int, tuple[int, float]] = {}
    for day in one.days:
        cell = (day.ordinal - start) // step
        messages, evidence = cells.get(cell, (0, 0.0))
        cells[cell] = (messages + day.contact_messages + day.child_messages, evidence + day.evidence)
    return [
        (dt.date.fromordinal(start + cell * step).isoformat(), *cells.get(cell, (0, 0.0)))
        for cell in range((last - start) // step + 1)
    ]


def _chart(weeks: list[tuple[str, int, float]], say: Words) -> Markup:
    import pygal
    from pygal.style import Style

    chart = pygal.Bar(
        js=[],
        height=220,
        width=900,
        show_legend=True,
        legend_at_bottom=True,
        x_label_rotation=35,
        x_labels_major_count=8,
        show_minor_x_labels=False,
        print_values=False,
        margin=10,
        style=Style(background="transparent", plot_background="transparent", colors=("#5b7f95", "#b3261e")),
    )
    chart.x_labels = [week[0] for week in weeks]
    chart.add(say("messages"), [week[1] for week in weeks])
    chart.add(say("signs"), [round(week[2], 2) for week in weeks], secondary=True)
    # Every label in it is ours or a date; what people wrote never gets into the chart.
    return Markup(chart.render(is_unicode=True, disable_xml_declaration=True))  # noqa: S704
