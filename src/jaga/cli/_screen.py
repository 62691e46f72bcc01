"""The report on a terminal: calm when there is nothing, one card for each relationship that is worth a look."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jaga.assessment import Assessment, Day
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

__all__ = ["print_report"]

_STYLE = {"none": "green", "watch": "yellow", "concern": "dark_orange", "urgent": "bold red"}
_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 6
_CARDS = 12
# A report wider than this is hard to read, however wide the terminal.
_WIDTH = 100


def print_report(checked: Checked, guidance: Guidance, say: Words, age: int | None, *, show_all: bool = False) -> None:
    """Print the whole report to stdout."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    if console.width > _WIDTH:
        console.width = _WIDTH
    _read(console, checked, say)
    if checked.nothing_read:
        return
    _owner(console, checked, say)
    shown = [one for one in checked.assessments if one.level != "none"]
    serious = [one for one in shown if one.level in ("concern", "urgent")]
    console.print()
    if not serious:
        console.print(Text(say("Nothing here reaches the level at which you should act."), style="bold green"))
        console.print(Text(say("That is not a promise that all is well: keep talking with your child."), style="dim"))
    for one in shown[:_CARDS]:
        console.print()
        console.print(_card(one, checked, guidance, say, age))
    if len(shown) > _CARDS:
        console.print(
            Text(
                say.plural(
                    "{count} more is in the --html report.",
                    "{count} more are in the --html report.",
                    len(shown) - _CARDS,
                ),
                style="dim",
            )
        )
    rest = len(checked.assessments) - len(shown)
    if rest:
        console.print()
        console.print(
            Text(
                say.plural("{count} other contact: nothing to see.", "{count} other contacts: nothing to see.", rest),
                style="green",
            )
        )
        if show_all:
            _others(console, checked, say)
    if serious:
        _helplines(console, guidance, say, serious)
    limits = cannot_judge(say, checked.unjudged)
    console.print()
    if limits:
        console.print(Text(limits, style="dim"))
    console.print(
        Text(
            say("Jaga points to what is worth a look; it never proves guilt. How sure it is: docs/how-sure.md"),
            style="dim",
        )
    )


def _read(console: Console, checked: Checked, say: Words) -> None:
    console.print(Text(say("Jaga read"), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(say("Export"), overflow="fold")
    table.add_column(say("Format"))
    table.add_column(say("Chats"), justify="right")
    table.add_column(say("Messages"), justify="right")
    table.add_column(say("Not read"), justify="right")
    for item in checked.inputs:
        lost = sum(1 for problem in item.problems if not problem.note)
        table.add_row(
            item.path,
            item.source or say("not recognised"),
            f"{item.conversations:,}",
            f"{item.messages:,}",
            Text(str(max(lost, item.skipped)) if lost else "-", style="yellow" if lost else "dim"),
        )
    console.print(table)
    if checked.first_at is not None and checked.last_at is not None:
        zone = zone_of(checked.zone_name)
        console.print(
            Text(
                say(
                    "{count} messages from {first} to {last} ({zone}).",
                    count=f"{checked.messages:,}",
                    first=when(checked.first_at, zone),
                    last=when(checked.last_at, zone),
                    zone=checked.zone_name,
                )
            )
        )
    problems = [problem for item in checked.inputs for problem in item.problems]
    for problem in problems[:8]:
        mark, style = ("ℹ", "dim") if problem.note else ("!", "yellow")
        console.print(Padding(Text(f"{mark} {problem.where}: {problem.what}", style=style), (0, 0, 0, 2)))
    if len(problems) > 8:
        console.print(
            Padding(
                Text(
                    say.plural("and {count} more (see --json)", "and {count} more (see --json)", len(problems) - 8),
                    style="dim",
                ),
                (0, 0, 0, 2),
            )
        )


def _owner(console: Console, checked: Checked, say: Words) -> None:
    style = "yellow" if checked.owner.how == "unclear" else "dim"
    console.print(Text(owner_words(say, checked), style=style))


def spark(days: tuple[Day, ...], width: int = 48) -> tuple[Text, Text]:
    """Two lines over the same time: messages (height) and evidence heard (red)."""
    if not days:
        return Text(), Text()
    first, last = days[0].ordinal, days[-1].ordinal
    span = last - first + 1
    cells = min(width, span)
    messages = [0.0] * cells
    evidence = [0.0] * cells
    for day in days:
        cell = (day.ordinal - first) * cells // span
        messages[cell] += day.contact_messages + day.child_messages
        evidence[cell] += day.evidence
    top, loud = max(messages) or 1, max(evidence) or 1
    upper = Text(
        "".join(_BARS[min(7, int(7 * value / top + 0.5))] if value else " " for value in messages), style="cyan"
    )
    lower = Text(
        "".join(_BARS[min(7, int(7 * value / loud + 0.5))] if value else "·" for value in evidence), style="red"
    )
    return upper, lower


def _card(one: Assessment, checked: Checked, guidance: Guidance, say: Words, age: int | None) -> Panel:
    zone = zone_of(checked.zone_name)
    style = _STYLE[one.level]
    head = Text()
    head.append(level_words(say, one.level), style=style)
    risk = risk_words(say, one.risk_type)
    if risk:
        head.append(f" · {risk}")
    stage = stage_words(say, one.stage)
    if stage and one.level != "watch":
        head.append(f" · {say('furthest stage: {stage}', stage=stage)}")
    facts = Text(
        say(
            "{platforms} · {count} messages · {first} – {last} · score {score}",
            platforms=", ".join(one.platforms),
            count=f"{one.messages:,}",
            first=when(one.first_at, zone)[:10] if one.first_at else "",
            last=when(one.last_at, zone)[:10] if one.last_at else "",
            score=f"{one.score:.2f}",
        ),
        style="dim",
    )
    parts: list[RenderableType] = [head, facts, Text()]
    if one.days and len(one.days) > 1:
        upper, lower = spark(one.days)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(say("messages"), style="dim"), upper)
        grid.add_row(Text(say("signs"), style="dim"), lower)
        parts += [grid, Text()]
    parts += [Text(why(say, one)), Text()]
    parts.append(_evidence(one, say, checked))
    steps = next_steps(say, guidance, one, age)
    if steps:
        parts += [Text(), Text(say("What to do"), style="bold")]
        talk = {say(text) for text in guidance.talk.values()}
        number = 0
        for step in steps:
            if step in talk:
                parts.append(
                    Padding(Text(say("Words to begin with: “{words}”", words=step), style="italic"), (0, 0, 0, 2))
                )
                continue
            number += 1
            line = Table.grid(padding=(0, 1))
            line.add_row(Text(f"{number:>2}."), Text(step))
            parts.append(line)
    law = guidance.laws.get(one.risk_type or "")
    if law and one.level in ("concern", "urgent"):
        parts += [Text(), Text(say("For the report: {law}", law=law), style="dim")]
    return Panel(
        Group(*parts),
        title=Text(contact_words(say, one), style="bold"),
        title_align="left",
        border_style=style,
        padding=(0, 1),
    )


def _evidence(one: Assessment, say: Words, checked: Checked) -> Table:
    zone = zone_of(checked.zone_name)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for piece, reasons in strongest(say, one, _SHOWN):
        who = author_words(say, one, piece)
        body = Text()
        body.append(f"{who}: ", style="bold")
        body.append(piece.text.replace("\n", " ")[:300])
        body.append(f"\n  ↳ {say('; ').join(reasons)}", style="dim italic")
        table.add_row(Text(when(piece.sent_at, zone), style="dim"), body)
    return table


def _others(console: Console, checked: Checked, say: Words) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(say("Contact"))
    table.add_column(say("Messages"), justify="right")
    table.add_column(say("Score"), justify="right")
    for one in checked.assessments:
        if one.level == "none":
            table.add_row(contact_words(say, one), f"{one.messages:,}", f"{one.score:.2f}")
    console.print(table)


def _helplines(console: Console, guidance: Guidance, say: Words, serious: list[Assessment]) -> None:
    console.print()
    console.print(Text(say("Who can help"), style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for line in guidance.helplines:
        table.add_row(Text(say(line.name), style="bold"), say(line.reach), Text(say(line.purpose), style="dim"))
    console.print(table)
