"""`jaga check`: read exports, print who is worth a look and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from jaga.cli._exits import Exit

if TYPE_CHECKING:
    from jaga.family import Checked
    from jaga.sources import Context
    from jaga.words import Words

__all__ = ["check"]


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Exports: files, folders or zips, of any app Jaga knows.", show_default=False
        ),
    ],
    child: Annotated[
        list[str] | None,
        typer.Option(
            "--child",
            metavar="ID",
            help="The child's name or author id in the chats; may be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document (docs/schema) and nothing else on stdout.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write a report for reading and printing.", show_default=False
        ),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option("--lang", help="ms, en, zh or ta; default: this machine's language.", show_default=False),
    ] = None,
    age: Annotated[
        int | None,
        typer.Option("--age", min=0, max=17, help="The child's age, for advice that fits.", show_default=False),
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="Whose helplines and law: my, or international.", show_default="my")
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            "--zone",
            metavar="ZONE",
            help="Time zone of the phone that exported, e.g. Asia/Kuala_Lumpur; default: this machine's.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="List also the relationships with nothing to see.")] = False,
) -> None:
    """Read a child's chat exports and say who is worth a look, and why.

    Exit codes: 0 nothing at or above concern, 10 concern, 11 urgent, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    from jaga.words import choose_language, words

    try:
        language = choose_language(lang)
    except KeyError:
        _wrong(f"--lang {lang}: choose ms, en, zh or ta")
    say = words(language)
    context = _context(zone)
    from jaga.guidance import countries, load_guidance

    if country is not None and country.lower() not in (*countries(), "international"):
        _wrong(f"--country {country}: choose one of {', '.join((*countries(), 'international'))}")
    guidance = load_guidance("my" if country is None else country)
    if html is not None and not html.parent.is_dir():
        _wrong(f"--html {html}: there is no folder {html.parent}")
    checked = _run(paths, context, child or [], quiet=json, say=say)
    code = exit_code(checked)
    if html is not None:
        from jaga.cli._html import write_html

        try:
            write_html(html, checked, guidance, say, age)
        except OSError as error:
            print(f"jaga: {html}: cannot be written: {error.strerror}", file=sys.stderr)
            raise typer.Exit(Exit.USAGE) from None
    if json:
        from jaga.cli._json import as_json

        sys.stdout.write(as_json(checked, guidance, say, age).decode())
        sys.stdout.write("\n")
        for item in checked.inputs:
            for problem in item.problems:
                print(f"{problem.where}: {problem.what}", file=sys.stderr)
    else:
        from jaga.cli._screen import print_report

        print_report(checked, guidance, say, age, show_all=all_)
        if html is not None:
            print(say("Report written to {file}", file=html), file=sys.stderr)
    raise typer.Exit(code)


def exit_code(checked: Checked) -> Exit:
    """What the shell is told: the worst level found, else whether reading failed."""
    if checked.nothing_read:
        return Exit.NOTHING_READ
    if checked.worst == "urgent":
        return Exit.URGENT
    if checked.worst == "concern":
        return Exit.CONCERN
    return Exit.PARTLY_READ if checked.partly_unread else Exit.OK


def _wrong(text: str) -> NoReturn:
    print(f"jaga check: {text}", file=sys.stderr)
    raise typer.Exit(Exit.USAGE)


def _context(name: str | None) -> Context:
    """The zone asked for, else the machine's."""
    from jaga.sources import Context, local_zone_name, zone_of

    chosen = name or local_zone_name()
    try:
        return Context(zone=zone_of(chosen), zone_name=chosen)
    except (KeyError, ValueError, OSError):
        _wrong(f"--zone {name}: not a time zone; give one like Asia/Kuala_Lumpur or +08:00")


def _run(paths: list[Path], context: Context, child: list[str], *, quiet: bool, say: Words) -> Checked:
    from jaga.family import check as run

    if quiet or not sys.stderr.isatty():
        return run(paths, context, child=child)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(say("Reading"), total=None)

        def progress(phase: str, done: int, total: int | None) -> None:
            label = say("Reading") if phase == "reading" else say("Listening")
            bar.update(task, description=label, completed=done, total=total)

        return run(paths, context, child=child, progress=progress)
