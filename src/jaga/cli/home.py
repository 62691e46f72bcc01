"""`jaga home`: the family's app on this machine, and what one does with its store from a terminal; `jaga doctor`."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaga.cli._exits import Exit

if TYPE_CHECKING:
    from jaga.store import Imported, Store
    from jaga.words import Words

__all__ = ["doctor", "home"]

# Of `jaga doctor` alone: something is wrong.
_UNWELL = 1

home = typer.Typer()

Child = Annotated[str, typer.Option("--child", metavar="NAME", help="The child's name in Jaga.", show_default=False)]
File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/schema/home-1.md) on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")]


@home.callback(invoke_without_command=True)
def _home(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="ADDRESS", help="Where to listen; default: this machine alone.", show_default=False
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8787,
    lan: Annotated[
        bool, typer.Option("--lan", help="Let phones at home reach the pages too, encrypted (TLS).")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="HOST",
            help="What this machine is called at home, for --lan; may be given several times.",
            show_default=False,
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="Your own certificate (PEM), with --key; default: one that Jaga makes.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The certificate's key (PEM).", show_default=False)
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the pages in the browser.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the passphrase here rather than in the browser.")] = False,
) -> None:
    """The family's app on this machine: watches, tells, explains. Without a command it serves the pages.

    JAGA_HOME names the folder that holds everything. JAGA_PASSPHRASE, a file named by JAGA_PASSPHRASE_FILE, or this machine's keyring
    (see remember) give the passphrase; without any of them the browser asks. JAGA_DATABASE_URL chooses PostgreSQL.
    """
    if context.invoked_subcommand is not None:
        return
    _needed()
    from jaga.errors import UsageError
    from jaga.family.home._house import House
    from jaga.family.home._serve import address_of, serve
    from jaga.store import home_folder

    say = _say(context)
    if (certificate is None) != (key is None):
        raise UsageError("--certificate and --key belong together", remedy="give both, or neither")
    given = None if certificate is None or key is None else (certificate, key)
    folder = home_folder()
    house = House(folder, url=_url(), store=_opened(folder, say, ask=ask))

    def started(address: str) -> None:
        print(say("Jaga is at {address}", address=address), flush=True)
        if house.state == "new":
            print(say("Open it in the browser to set it up. Ctrl-C ends Jaga."), flush=True)
        elif house.state == "locked":
            print(say("Open it in the browser and give the passphrase: until then nothing is watched."), flush=True)

    try:
        address = address_of(folder, host, port, lan=lan, names=name or (), given=given)
        serve(house, address, started=started, opens=not no_browser)
    finally:
        house.close()


@home.command("import")
def import_(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Exports: files, folders or zips, of any app Jaga knows.", show_default=False
        ),
    ],
    child: Child,
    called: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="The child's name or author id in these files; may be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Bring exports in. Works while Jaga is running; the same export twice adds nothing.

    Exit codes: 0 no new alert at or above concern, 10 a new alert at concern, 11 at urgent, 2 wrong use, 3 nothing could be read, 4 part
    could not be read.
    """
    _needed()
    from jaga.store import import_paths

    say = _say(context)
    with _open(say) as kept:
        store = kept.store
        child_id = _child(store, child)
        shown = sys.stderr.isatty() and not json

        def progress(count: int) -> None:
            if shown:
                print("\r" + say.plural("{count} message", "{count} messages", count), end="", file=sys.stderr)

        done = import_paths(store, child_id, paths, now=_now(), by=None, names=called, progress=progress)
        if shown:
            print("\r\033[K", end="", file=sys.stderr)
        levels = _levels(store, done)
        if json:
            _document(_imported(done, levels))
        else:
            _print_imported(done, levels, say)
        raise typer.Exit(_code(done, levels))


@home.command()
def backup(context: typer.Context, file: File, json: Json = False) -> None:
    """Write everything into one encrypted file. It opens with the passphrases and the recovery code of today."""
    _needed()
    from jaga.store import backup as write

    say = _say(context)
    with _open(say) as kept:
        made = write(kept.store, file, by=None, now=_now())
    if json:
        _document({"backup": str(file), "bytes": made.size_bytes, "sha256": made.sha256.hex()})
    else:
        print(say("Backup written to {file} ({size} MB)", file=file, size=f"{made.size_bytes / 1e6:.1f}"))
        print(say("Keep it on another disk. It opens with the passphrases and the recovery code of today."))


@home.command()
def restore(context: typer.Context, file: File) -> None:
    """Put a backup back, into a JAGA_HOME that holds nothing yet."""
    _needed()
    from jaga.family.home._instance import only_one
    from jaga.family.home._unlocking import passphrase_given
    from jaga.store import home_folder
    from jaga.store import restore as put

    say = _say(context)
    folder = home_folder()
    with only_one(folder):
        passphrase = passphrase_given() or _ask(say("Passphrase or recovery code of the backup"))
        put(file, folder, passphrase, url=_url()).close()
    print(say("Restored into {folder}. Start it with: jaga home", folder=folder))


@home.command()
def export(
    context: typer.Context,
    file: File,
    child: Annotated[
        str | None,
        typer.Option("--child", metavar="NAME", help="Only what is about this child.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Write everything that is kept about the family as plain text (JSON lines). Whoever has the file can read it.

    Passphrases, keys and the addresses of channels are left out.
    """
    _needed()
    import sqlalchemy as sa

    from jaga.errors import UsageError
    from jaga.store import export_family
    from jaga.store._tables import Family

    say = _say(context)
    with _open(say) as kept:
        store = kept.store
        child_id = None if child is None else _child(store, child)
        with store.session(read_only=True) as session:
            families = session.scalars(sa.select(Family.id).order_by(Family.id)).all()
        try:
            # Of its owner alone, and never over another file.
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                lines = sum(
                    export_family(store, family, stream, by=None, now=_now(), child=child_id) for family in families
                )
        except FileExistsError:
            raise UsageError("there is such a file already", where=str(file), remedy="choose another name") from None
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", where=str(file)) from None
    if json:
        _document({"export": str(file), "lines": lines})
    else:
        print(
            say("Written to {file}. It is not encrypted: keep it safe, and delete it when it is not needed.", file=file)
        )


@home.command()
def erase(context: typer.Context, child: Child, yes: Yes = False, json: Json = False) -> None:
    """Erase a child: messages, alerts, log-in, everything. It cannot be undone; backups made before still hold it."""
    _needed()
    from jaga.store import erase_child

    say = _say(context)
    with _open(say) as kept:
        store = kept.store
        child_id = _child(store, child)
        if not yes:
            typed = _typed(say("Everything about {name} is erased for good. Type the name to go on:", name=child))
            if typed.strip() != child:
                print(say("Nothing was erased."), file=sys.stderr)
                raise typer.Exit(Exit.USAGE)
        done = erase_child(store, child_id, by=None, now=_now())
    if json:
        _document(
            {
                "messages": done.messages,
                "swept": done.swept,
                "backups": [{"path": path, "made_at": at.isoformat()} for path, at in done.backups],
            }
        )
        return
    print(say.plural("Erased, with {count} message.", "Erased, with {count} messages.", done.messages))
    if not done.swept:
        print(say("The file is cleaned to its last byte when Jaga is next started."))
    if done.backups:
        print(say("These backups still hold it; delete them if nobody needs them:"))
        for path, at in done.backups:
            print(f"  {path} ({at:%Y-%m-%d})")


@home.command()
def remember(context: typer.Context) -> None:
    """Let this machine open the store by itself, through its keyring. Whoever logs in to this machine can open it then."""
    _needed()
    from jaga.family.home._unlocking import remember as keep

    say = _say(context)
    with _open(say) as kept:
        keep(kept.store)
    print(say("This machine opens the store by itself from now on. To take it back: jaga home forget"))


@home.command()
def forget(context: typer.Context) -> None:
    """Take back what remember did: the passphrase is asked for again."""
    _needed()
    from jaga.family.home._unlocking import forget as drop
    from jaga.store import home_folder

    say = _say(context)
    drop(home_folder())
    print(say("The passphrase is asked for again from the next start on."))


def doctor(
    context: typer.Context,
    answers: Annotated[
        bool, typer.Option("--answers", help="Only whether the server is running and answers: for containers.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine whether Jaga at home is well: folder, store, record of who looked, space, backup, clock, server, channels, packages.

    Exit codes: 0 nothing is wrong, 1 something is.
    """
    _needed()
    from jaga.family.home._doctor import answers as does_answer
    from jaga.family.home._doctor import examine
    from jaga.store import home_folder

    if answers:
        raise typer.Exit(Exit.OK if does_answer(home_folder()) else _UNWELL)
    say = _say(context)
    findings = []
    marks = {"ok": "✓", "warn": "!", "fail": "✗", "unknown": "?"}
    for one in examine(home_folder(), _url(), say, _now()):
        findings.append(one)
        if not json:
            print(f"{marks[one.state]} {one.what}")
            if one.remedy is not None:
                print(f"    {one.remedy}")
    well = all(one.state != "fail" for one in findings)
    if json:
        import msgspec

        _document({"well": well, "findings": msgspec.to_builtins(findings)})
    raise typer.Exit(Exit.OK if well else _UNWELL)


class _Opened:
    """The store, for the length of a command."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def _open(say: Words) -> _Opened:
    from jaga.errors import UsageError
    from jaga.store import Store, home_folder

    folder = home_folder()
    if not Store.exists(folder):
        raise UsageError(
            "nobody has set Jaga up here yet",
            where=str(folder),
            remedy="run jaga home, or name another folder by JAGA_HOME",
        )
    store = _opened(folder, say, ask=True)
    assert store is not None
    return _Opened(store)


def _opened(folder: Path, say: Words, *, ask: bool) -> Store | None:
    from jaga.family.home._unlocking import open_store
    from jaga.store import Store

    if not Store.exists(folder):
        return None
    store = open_store(folder, _url())
    if store is None and ask:
        store = Store.open(folder, _ask(say("Passphrase")), url=_url())
    return store


def _ask(what: str) -> str:
    from jaga.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            "the passphrase is needed", remedy="set JAGA_PASSPHRASE or JAGA_PASSPHRASE_FILE, or run it in a terminal"
        )
    import getpass

    return getpass.getpass(f"{what}: ", stream=sys.stderr)


def _typed(what: str) -> str:
    from jaga.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("nobody is there to say whether it is meant", remedy="add --yes if you are sure")
    print(what, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\n")


def _child(store: Store, name: str) -> int:
    """The id of the child of that name. Raises: UsageError, with the names there are."""
    import sqlalchemy as sa

    from jaga.errors import UsageError
    from jaga.store import _tables as t

    with store.session(read_only=True) as session:
        children = session.execute(sa.select(t.Child.id, t.Child.name).order_by(t.Child.id)).all()
    found = [child for child, known in children if known.casefold() == name.strip().casefold()]
    if len(found) == 1:
        return int(found[0])
    if not found:
        names = ", ".join(known for _, known in children) or "-"
        raise UsageError("no child of this name", where=f"--child {name}", remedy=f"there are: {names}")
    raise UsageError(
        "several children have this name",
        where=f"--child {name}",
        remedy="give them different names on the page Children",
    )


def _levels(store: Store, done: Imported) -> list[str]:
    import sqlalchemy as sa

    from jaga.store import _tables as t

    with store.session(read_only=True) as session:
        return list(session.scalars(sa.select(t.Alert.level).where(t.Alert.id.in_(done.alerts)).order_by(t.Alert.id)))


def _code(done: Imported, levels: list[str]) -> Exit:
    if all(one.source is None for one in done.inputs):
        return Exit.NOTHING_READ
    if "urgent" in levels:
        return Exit.URGENT
    if "concern" in levels:
        return Exit.CONCERN
    lost = any(not problem.note for one in done.inputs for problem in one.problems)
    return Exit.PARTLY_READ if lost else Exit.OK


def _print_imported(done: Imported, levels: list[str], say: Words) -> None:
    from jaga.cli._terminal import plain

    for one in done.inputs:
        counted = say.plural("{count} message", "{count} messages", one.messages)
        print(plain(f"{one.path}: {counted}"))
        for problem in one.problems:
            print(plain(f"  {say.place(problem.where)}: {say.found(problem.what)}"), file=sys.stderr)
    print(say.plural("{count} message is new.", "{count} messages are new.", done.new))
    if levels:
        print(
            say.plural(
                "{count} new alert: look at it on the page Today.",
                "{count} new alerts: look at them on the page Today.",
                len(levels),
            )
        )


def _imported(done: Imported, levels: list[str]) -> dict[str, Any]:
    return {
        "import": done.import_id,
        "inputs": [
            {
                "path": one.path,
                "source": one.source,
                "conversations": one.conversations,
                "messages": one.messages,
                "skipped": one.skipped,
                "problems": [{"where": problem.where, "what": problem.what} for problem in one.problems],
            }
            for one in done.inputs
        ],
        "read": done.read,
        "new": done.new,
        "alerts": [{"id": number, "level": level} for number, level in zip(done.alerts, levels, strict=True)],
    }


def _document(content: dict[str, Any]) -> None:
    import msgspec

    from jaga import __version__

    whole = {"schema": 1, "generator": f"jaga {__version__}", **content}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n")


def _say(context: typer.Context) -> Words:
    from jaga.cli.check import chosen_language
    from jaga.words import words

    # Set by `jaga --lang`.
    asked = context.find_root().obj
    return words(chosen_language(asked if isinstance(asked, str) else None))


def _url() -> str | None:
    return os.environ.get("JAGA_DATABASE_URL") or None


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _needed() -> None:
    """Raises: DataNeeded, where Jaga was installed without what the family's app needs."""
    from importlib.util import find_spec

    from jaga.errors import DataNeeded

    missing = [
        name for name in ("sqlalchemy", "sqlcipher3", "fastapi", "uvicorn", "filelock") if find_spec(name) is None
    ]
    if missing:
        raise DataNeeded(
            f"packages that are missing: {', '.join(missing)}", remedy="install them with: pip install 'jaga[home]'"
        )
