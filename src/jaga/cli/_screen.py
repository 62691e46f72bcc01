"""The report on a terminal: calm when there is nothing, one card for each relationship that is worth a look."""

from __future__ import annotations

import sys

from rich.box import Box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from jaga.assessment import Assessment, Day, Explanation
from jaga.cli._terminal import Text, columns, plain, put, trimmed
from jaga.cli._words import (
    author_words,
    calm_words,
    cannot_tell,
    certainty_words,
    change_words,
    child_missing,
    contact_words,
    example_words,
    joined,
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
from jaga.guidance import Guidance
from jaga.sources import zone_of
from jaga.words import Words

__all__ = ["print_report"]

_STYLE = {"none": "green", "watch": "yellow", "concern": "dark_orange", "urgent": "bold red"}
_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 6
_WEIGHED = 3
_CARDS = 12
_INPUTS = 12
_PROBLEMS = 8
# A report wider than this is hard to read, however wide the terminal.
_WIDTH = 100
# Narrower than this, what stands side by side is put one below the other.
_NARROW = 76
# A card is open on its right: terminals disagree about the width of Tamil letters, which would fray a right edge.
_CARD = Box("╭─  \n│   \n│   \n│   \n│   \n│   \n│   \n╰─  \n")


def print_report(checked: Checked, guidance: Guidance, say: Words, age: int | None, *, show_all: bool = False) -> None:
    """Print the whole report to stdout."""
    console = Console(file=sys.stdout, highlight=False, width=columns(_WIDTH))
    with console.capture() as page:
        _report(console, checked, guidance, say, age, show_all=show_all)
    sys.stdout.write(trimmed(page.get()))


def _report(
    console: Console, checked: Checked, guidance: Guidance, say: Words, age: int | None, *, show_all: bool
) -> None:
    _read(console, checked, say)
    if checked.nothing_read:
        put(console, Text(calm_words(say, checked)[0], style="bold yellow"))
        return
    _owner(console, checked, say)
    shown = [one for one in checked.assessments if one.level != "none"]
    serious = [one for one in shown if one.level in ("concern", "urgent")]
    if not serious:
        first, *further = calm_words(say, checked)
        console.print()
        put(console, Text(first, style="bold green"))
        for line in further:
            put(console, Text(line, style="dim"))
    for one in shown[:_CARDS]:
        console.print()
        console.print(_card(one, checked, guidance, say, age, narrow=console.width < _NARROW))
    if len(shown) > _CARDS:
        more = say.plural(
            "{count} more: see it with --html FILE.", "{count} more: see them with --html FILE.", len(shown) - _CARDS
        )
        put(console, Text(more, style="dim"))
    rest = len(checked.assessments) - len(shown)
    if rest:
        console.print()
        quiet = say.plural("{count} other contact: nothing to see.", "{count} other contacts: nothing to see.", rest)
        put(console, Text(quiet, style="green"))
        if show_all:
            _others(console, checked, say)
    if serious:
        _helplines(console, guidance, say)
    console.print()
    put(console, Text(say("What Jaga cannot tell"), style="bold"))
    for line in cannot_tell(say, checked):
        console.print(_item("·", Text(line, style="dim")))


def _beside(mark: Text, *parts: RenderableType) -> Table:
    """Text with a mark before it, whose further lines hang below its first."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    # Chinese has few spaces to break at; what does not fit goes on below, never away.
    grid.add_column(overflow="fold")
    grid.add_row(mark, Group(*parts))
    return grid


def _item(mark: str, part: RenderableType) -> Padding:
    return Padding(_beside(Text(mark), part), (0, 0, 0, 2), expand=False)


def _read(console: Console, checked: Checked, say: Words) -> None:
    put(console, Text(say("Jaga read"), style="bold"))
    for item in checked.inputs[:_INPUTS]:
        console.print(Padding(Text(plain(item.path), overflow="fold"), (0, 0, 0, 2), expand=False))
        facts = Text(source_words(say, item.source), style="" if item.source else "yellow")
        if item.source:
            facts.append(" · " + say.plural("{count} chat", "{count} chats", item.conversations), style="dim")
            facts.append(" · " + say.plural("{count} message", "{count} messages", item.messages), style="dim")
        lost = max(item.skipped, sum(1 for problem in item.problems if not problem.note))
        if lost and item.source:
            facts.append(" · " + say.plural("{count} not read", "{count} not read", lost), style="yellow")
        console.print(Padding(facts, (0, 0, 0, 4), expand=False))
    if len(checked.inputs) > _INPUTS:
        rest = len(checked.inputs) - _INPUTS
        put(console, Text("  " + say.plural("and {count} more", "and {count} more", rest), style="dim"))
    if span := span_words(say, checked):
        put(console, Text(span))
    if pictures := picture_words(say, checked):
        put(console, Text(pictures))
    problems = [problem for item in checked.inputs for problem in item.problems]
    # What was lost comes before what is merely worth knowing.
    problems.sort(key=lambda problem: problem.note)
    for problem in problems[:_PROBLEMS]:
        mark, style = ("i", "dim") if problem.note else ("!", "yellow")
        text = f"{say.place(problem.where)}: {say.found(problem.what)}"
        console.print(_item(mark, Text(plain(text), style=style, overflow="fold")))
    if len(problems) > _PROBLEMS:
        more = say.plural("and {count} more (see --json)", "and {count} more (see --json)", len(problems) - _PROBLEMS)
        put(console, Text("  " + more, style="dim"))


def _owner(console: Console, checked: Checked, say: Words) -> None:
    missing = child_missing(say, checked)
    if missing:
        put(console, Text(plain(missing), style="bold yellow"))
        return
    style = "yellow" if checked.owner.how == "unclear" else "dim"
    put(console, Text(plain(owner_words(say, checked)), style=style))


def _spark(days: tuple[Day, ...], width: int) -> tuple[Text, Text]:
    """Two lines over the same time: messages (height) and evidence heard (red)."""
    first, last = days[0].ordinal, days[-1].ordinal
    span = last - first + 1
    cells = min(width, span)
    messages = [0.0] * cells
    evidence = [0.0] * cells
    for day in days:
        cell = (day.ordinal - first) * cells // span
        messages[cell] += day.contact_messages + day.child_messages
        evidence[cell] += day.evidence
    # A short time is drawn wider, so that days can be told apart.
    broad = max(1, min(3, width // cells))
    return _bars(messages, " ", broad, "cyan"), _bars(evidence, "·", broad, "red")


def _bars(values: list[float], empty: str, broad: int, style: str) -> Text:
    top = max(values) or 1
    line = "".join((_BARS[min(7, int(7 * value / top + 0.5))] if value else empty) * broad for value in values)
    # The style is of the bars only, not of what is put behind them.
    bars = Text()
    bars.append(line, style=style)
    return bars


def _card(one: Assessment, checked: Checked, guidance: Guidance, say: Words, age: int | None, *, narrow: bool) -> Panel:
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
    facts = say.plural(
        "{platforms} · {count} message · score {score}",
        "{platforms} · {count} messages · score {score}",
        one.messages,
        platforms=platform_words(one),
        score=f"{one.score:.2f}",
    )
    parts: list[RenderableType] = [head, Text(plain(facts), style="dim"), Text()]
    if len(one.days) > 1 and one.first_at is not None and one.last_at is not None:
        # The name stands behind the bars: before them, its width would have to be known to set one above the other.
        upper, lower = _spark(one.days, 36 if narrow else 60)
        upper.append(f"  {say('messages')}", style="dim")
        lower.append(f"  {say('signs')}", style="dim")
        parts += [
            upper,
            lower,
            Text(f"{when(one.first_at, zone)[:10]} – {when(one.last_at, zone)[:10]}", style="dim"),
            Text(),
        ]
    parts += [Text(plain(why(say, one))), Text()]
    parts.append(Text(say("The messages that show it"), style="bold"))
    parts += _evidence(one, say, checked, narrow=narrow)
    explained = checked.explanations.get(one.contact)
    if explained is not None:
        parts += [Text(), Text(say("How Jaga came to this"), style="bold")]
        parts += [_item("·", Text(plain(line), style="dim")) for line in _why(one, explained, say, checked)]
    opinion = checked.opinions.get(one.contact)
    if opinion is not None:
        parts += [Text(), Text(say("A second reader"), style="bold")]
        parts.append(Padding(Text(plain(joined(say, opinion_words(say, opinion))), style="dim"), (0, 0, 0, 2)))
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
            parts.append(_beside(Text(f"{number:>2}."), Text(step)))
    law = guidance.laws.get(one.risk_type or "")
    if law and one.level in ("concern", "urgent"):
        parts += [Text(), Text(say("For the report: {law}", law=say(law)), style="dim")]
    return Panel(
        Group(*parts),
        box=_CARD,
        safe_box=False,
        title=Text(f" {plain(contact_words(say, one))} ", style="bold"),
        title_align="left",
        border_style=style,
        padding=(0, 1),
    )


def _evidence(one: Assessment, say: Words, checked: Checked, *, narrow: bool) -> list[RenderableType]:
    zone = zone_of(checked.zone_name)
    lines: list[RenderableType] = []
    for piece, reasons in strongest(say, one, _SHOWN):
        text = plain(said_words(say, piece))
        said = Text()
        said.append(f"{plain(author_words(say, one, piece))}: ", style="bold")
        said.append(text[:300] + ("…" if len(text) > 300 else ""))
        reason = _beside(Text("↳", style="dim"), Text(say("; ").join(reasons), style="dim italic"))
        stamp = Text(when(piece.sent_at, zone), style="dim", no_wrap=True)
        if narrow:
            lines += [stamp, Padding(Group(said, reason), (0, 0, 0, 2), expand=False)]
            continue
        lines.append(_beside(stamp, said, reason))
    return lines


def _why(one: Assessment, explained: Explanation, say: Words, checked: Checked) -> list[str]:
    """The short form; the page has all of it."""
    lines = []
    weighed = weighed_words(say, explained, _WEIGHED)
    if weighed:
        lines.append(say("What weighed most: {parts}.", parts=say(", ").join(weighed)))
    nearest = max(explained.like, key=lambda like: like.near.likeness, default=None)
    if nearest is not None:
        lines.append(example_words(say, nearest.near))
    lines += change_words(say, explained, zone_of(checked.zone_name), 1)
    # One line for how sure it is.
    lines.append(joined(say, certainty_words(say, one, explained)))
    return [line for line in lines if line]


def _others(console: Console, checked: Checked, say: Words) -> None:
    for one in checked.assessments:
        if one.level == "none":
            counted = say.plural("{count} message", "{count} messages", one.messages)
            scored = say("score {score}", score=f"{one.score:.2f}")
            put(console, Text(plain(f"  {contact_words(say, one)} · {counted} · {scored}"), style="dim"))


def _helplines(console: Console, guidance: Guidance, say: Words) -> None:
    console.print()
    put(console, Text(say("Who can help"), style="bold"))
    for line in guidance.helplines:
        head = Text(say(line.name), style="bold")
        head.append(f": {say(line.reach)}", style="not bold")
        console.print(Padding(head, (0, 0, 0, 2), expand=False))
        console.print(Padding(Text(say(line.purpose), style="dim"), (0, 0, 0, 4), expand=False))
