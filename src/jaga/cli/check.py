"""`jaga check`: read exports, print who is worth a look and why."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaga.cli._exits import Exit
from jaga.errors import UsageError

if TYPE_CHECKING:
    from jaga.family import Checked, PicturesWanted
    from jaga.second_reader import SecondReader
    from jaga.sources import Context
    from jaga.words import Words

__all__ = ["check", "chosen_language"]


def check(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Exports: files, folders or zips, of any app Jaga knows.", show_default=False
        ),
    ],
    child: Annotated[
        list[str] | None,
        typer.Option(
            "--child",
            metavar="NAME",
            help="The child's name or author id in the chats; may be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document (docs/schema) and nothing else on stdout.")
    ] = False,
    html: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write a report for reading and printing.", show_default=False
        ),
    ] = None,
    pack: Annotated[
        str | None,
        typer.Option(
            "--pack",
            metavar="FILE",
            help="Also write an evidence pack (.zip) about one contact, to take along when you report.",
            show_default=False,
        ),
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            "--contact",
            metavar="NAME",
            help="Whom the evidence pack is about; default: the contact that worries most.",
            show_default=False,
        ),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="LANG",
            help="Language of the report: ms, en, zh or ta; default: JAGA_LANG, else this machine's.",
            show_default=False,
        ),
    ] = None,
    age: Annotated[
        str | None,
        typer.Option(
            "--age", metavar="YEARS", help="The child's age, 0 to 17, for advice that fits.", show_default=False
        ),
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(
            "--country", metavar="CODE", help="Whose helplines and law: my, or international.", show_default="my"
        ),
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
    second_reader: Annotated[
        str | None,
        typer.Option(
            "--second-reader",
            metavar="URL",
            help="A language model on this machine that reads the cited messages too, e.g. http://127.0.0.1:11434/v1.",
            show_default=False,
        ),
    ] = None,
    second_reader_model: Annotated[
        str | None,
        typer.Option(
            "--second-reader-model",
            metavar="NAME",
            help="Its model; default: the only one it has.",
            show_default=False,
        ),
    ] = None,
    second_reader_anywhere: Annotated[
        bool,
        typer.Option(
            "--second-reader-anywhere",
            help="Allow a second reader on another machine: the cited messages leave this one.",
        ),
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Also look at the pictures inside the exports: known to a bank, or likely nudity. None is shown.",
        ),
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="DIR",
            help="Where the banks of known pictures are; default: $JAGA_STORE, else the user's data folder.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="List also the relationships with nothing to see.")] = False,
) -> None:
    """Read a child's chat exports and say who is worth a look, and why.

    Exit codes: 0 nothing at or above concern, 10 concern, 11 urgent, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    from jaga.guidance import load_guidance
    from jaga.words import words

    # Everything that can be wrong with the command is said before a long reading begins.
    say = words(chosen_language(lang))
    years = _years(age)
    guidance = load_guidance(_country(country))
    context = _context(zone)
    exports = [_path(path, "PATH") for path in paths]
    page = None if html is None else _path(html, "--html")
    if page is not None:
        _can_be_written(page, "--html", "report.html")
    box = None if pack is None else _path(pack, "--pack")
    if box is None and contact is not None:
        raise UsageError("says nothing without --pack", where=f"--contact {contact}", remedy="add --pack FILE")
    if box is not None:
        _can_be_written(box, "--pack", "pack.zip")
        if box.exists():
            raise UsageError(
                "is there already", where=f"--pack {box}", remedy="a pack is never written over: choose another name"
            )
    reader = _reader(second_reader, second_reader_model, anywhere=second_reader_anywhere)
    names = _names(child or [])
    with contextlib.ExitStack() as stack:
        wanted = _pictures(stack, None if store is None else _path(store, "--store"), asked=pictures)
        checked = _run(exports, context, names, quiet=json, say=say, pictures=wanted)
    if reader is not None:
        _second(reader, checked, say, quiet=json)
    if page is not None:
        from jaga.cli._html import write_html

        try:
            write_html(page, checked, guidance, say, years)
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", where=str(page)) from None
    lines = [] if box is None else _pack(box, checked, contact, exports, context, say, country, years)
    if json:
        from jaga.cli._json import as_json
        from jaga.cli._terminal import plain
        from jaga.cli._words import child_missing

        sys.stdout.write(as_json(checked, guidance, say, years).decode())
        sys.stdout.write("\n")
        for item in checked.inputs:
            for problem in item.problems:
                print(plain(f"{say.place(problem.where)}: {say.found(problem.what)}"), file=sys.stderr)
        if missing := child_missing(say, checked):
            print(plain(missing), file=sys.stderr)
    else:
        from jaga.cli._screen import print_report

        print_report(checked, guidance, say, years, show_all=all_)
        if page is not None:
            print(say("Report written to {file}", file=page), file=sys.stderr)
    for line in lines:
        print(line, file=sys.stderr)
    raise typer.Exit(exit_code(checked))


# Relationships that a second reader is asked about, the most worrying first: each takes it a while.
_ASKED = 12


def _reader(url: str | None, model: str | None, *, anywhere: bool) -> SecondReader | None:
    if url is None:
        if model is not None or anywhere:
            where = "--second-reader-model" if model is not None else "--second-reader-anywhere"
            raise UsageError("there is no second reader", where=where, remedy="say --second-reader URL too")
        return None
    from jaga.second_reader import SecondReader

    # Its key, where it asks for one, is not for the list of processes that everyone on a machine can read.
    return SecondReader(url, model=model, anywhere=anywhere, key=os.environ.get("JAGA_SECOND_READER_KEY") or None)


def _second(reader: SecondReader, checked: Checked, say: Words, *, quiet: bool) -> None:
    from jaga.signals.pictures import PICTURES

    asked = [
        one
        for one in checked.assessments
        # Where only pictures were found there are no words to read.
        if one.level != "none" and any(finding.tactic not in PICTURES for finding in one.tactics)
    ][:_ASKED]
    for number, one in enumerate(asked, 1):
        if not quiet and sys.stderr.isatty():
            print(
                say("The second reader reads ({number} of {count})", number=number, count=len(asked)), file=sys.stderr
            )
        checked.opinions[one.contact] = reader.read(one, language=say.language)


def exit_code(checked: Checked) -> Exit:
    """What the shell is told: the worst level found, else whether reading failed."""
    if checked.nothing_read:
        return Exit.NOTHING_READ
    if checked.worst == "urgent":
        return Exit.URGENT
    if checked.worst == "concern":
        return Exit.CONCERN
    return Exit.PARTLY_READ if checked.partly_unread else Exit.OK


def chosen_language(asked: str | None) -> str:
    """The language to speak. Raises: UsageError, if one was asked for that Jaga does not speak."""
    from jaga.words import LANGUAGES, choose_language

    try:
        return choose_language(asked)
    except KeyError:
        known = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise UsageError(
            "is not a language that Jaga speaks", where=f"--lang {asked}", remedy=f"choose one of {known}"
        ) from None


def _path(given: str, where: str) -> Path:
    # An unset variable in a script gives an empty name, which would be read as the folder one happens to stand in.
    if not given.strip():
        raise UsageError("is empty", where=where, remedy="name a file or folder")
    return Path(given)


def _names(given: list[str]) -> list[str]:
    names = [name.strip() for name in given]
    if not all(names):
        raise UsageError("is empty", where="--child", remedy="give the child's name as it stands in the chats")
    return names


def _years(asked: str | None) -> int | None:
    if asked is None:
        return None
    if not asked.isascii() or not asked.isdigit() or int(asked) > 17:
        raise UsageError("is not the age of a child", where=f"--age {asked}", remedy="give whole years, 0 to 17")
    return int(asked)


def _country(asked: str | None) -> str:
    from jaga.guidance import countries

    known = (*countries(), "international")
    chosen = "my" if asked is None else asked.strip().lower()
    if chosen not in known:
        raise UsageError(
            "Jaga has no guidance for this country yet",
            where=f"--country {asked}",
            remedy=f"choose one of {', '.join(known)}",
        )
    return chosen


def _context(asked: str | None) -> Context:
    """The zone asked for, else the machine's."""
    from jaga.sources import Context, local_zone_name, zone_of

    chosen = asked or local_zone_name()
    try:
        return Context(zone=zone_of(chosen), zone_name=chosen)
    except (KeyError, ValueError, OSError):
        import difflib
        import zoneinfo

        zones = {name.casefold(): name for name in zoneinfo.available_timezones()}
        near = difflib.get_close_matches(chosen.casefold().replace(" ", "_"), zones, 1, 0.75)
        remedy = f"did you mean {zones[near[0]]}?" if near else "give one like Asia/Kuala_Lumpur or +08:00"
        raise UsageError("is not a time zone", where=f"--zone {asked}", remedy=remedy) from None


def _can_be_written(path: Path, option: str, example: str) -> None:
    """Raises: UsageError, if a file cannot be put there."""
    if path.is_dir():
        raise UsageError("is a folder", where=f"{option} {path}", remedy=f"name a file in it, such as {example}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", where=f"{option} {path}", remedy="make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError("may not be written", where=f"{option} {path}", remedy="choose another folder")


def _pack(
    box: Path,
    checked: Checked,
    contact: str | None,
    exports: list[Path],
    context: Context,
    say: Words,
    country: str | None,
    years: int | None,
) -> list[str]:
    """Write the evidence pack; what to say about it. Raises: UsageError, if there is nobody to write it about."""
    from datetime import datetime, timezone

    from jaga.cli._terminal import plain
    from jaga.cli._words import contact_words
    from jaga.family.pack import content_of_check, new_signing_key, write_pack

    wanted = None if contact is None else contact.strip().casefold()
    named = [
        one
        for one in checked.assessments
        if wanted is None or wanted in (one.contact.casefold(), (one.contact_name or "").casefold())
    ]
    told = [one for one in named if one.level != "none"]
    if not told:
        # A pack about somebody in whom nothing was heard would make a suspect of them.
        if named and wanted is not None:
            raise UsageError(
                "Jaga heard nothing that stands out", where=f"--contact {contact}", remedy="no pack was written"
            )
        if wanted is not None:
            raise UsageError(
                "nobody of that name is in these chats",
                where=f"--contact {contact}",
                remedy="give the name as the report says it",
            )
        return [say("Nothing was heard that stands out, so no evidence pack was written.")]
    one = told[0]
    now = datetime.now(timezone.utc)
    content = content_of_check(
        checked, one, exports, context, language=say.language, country=_country(country), age=years, now=now
    )
    written = write_pack(content, box, signing_key=new_signing_key(), now=now)
    lines = [
        say("Evidence pack about {contact} written to {file}", contact=plain(contact_words(say, one)), file=box),
        say(
            "It is signed with a key made for it alone. Write down the fingerprint and tell it to whoever gets the pack, by another way: {key}",
            key=written.fingerprint,
        ),
    ]
    if written.without_pdf is not None:
        lines.append(say("There is no PDF in it: {why}", why=say.found(str(written.without_pdf))))
    return lines


def _pictures(stack: contextlib.ExitStack, store: Path | None, *, asked: bool) -> PicturesWanted | None:
    """What to look at pictures with; None if it was not asked for. Raises: DataNeeded, UsageError, StoreError."""
    if not asked:
        if store is not None:
            raise UsageError("pictures are not looked at", where="--store", remedy="say --pictures too")
        return None
    from jaga.cli.media import needed

    needed()
    from jaga.family import PicturesWanted
    from jaga.media.banks import BankStore, default_store
    from jaga.media.judging import picture_judge

    folder = store or default_store()
    banks = None
    # A store that was named must be there; the usual one may be missing, then only nudity is judged.
    if store is not None or (folder / "banks.sqlite").exists():
        banks = stack.enter_context(BankStore(folder, create=False))
    judge = picture_judge()
    if banks is None and judge is None:
        raise UsageError(
            "there is nothing to look at pictures with: no banks of known pictures, and no judge of nudity",
            where="--pictures",
            remedy="pip install 'jaga[pictures]', or make a bank (docs/media.md)",
        )
    return PicturesWanted(store=banks, judge=judge)


def _run(
    paths: list[Path],
    context: Context,
    child: list[str],
    *,
    quiet: bool,
    say: Words,
    pictures: PicturesWanted | None = None,
) -> Checked:
    from jaga.family import check as run

    if quiet or not sys.stderr.isatty():
        return run(paths, context, child=child, pictures=pictures)
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

        return run(paths, context, child=child, progress=progress, pictures=pictures)
