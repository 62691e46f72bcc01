"""`jaga media`: hash files, keep banks of known hashes, and say which files are known."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from jaga.cli._exits import Exit

if TYPE_CHECKING:
    from jaga.media.banks import Bank, BankStore, Imported
    from jaga.media.hashing import Hashed
    from jaga.media.matching import Match

__all__ = ["media", "needed"]

media = typer.Typer(
    help="Recognise known pictures and files by their hashes. Nothing is shown, copied or sent.", no_args_is_help=True
)
bank = typer.Typer(help="Banks of known hashes.", no_args_is_help=True)
media.add_typer(bank, name="bank")

Files = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Files, or folders with all that is in them.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/schema/media-1.md) on stdout.")]
Keyframes = Annotated[
    bool,
    typer.Option("--keyframes", help="Of videos the key frames only: some twenty times as fast, and finds less."),
]
Variants = Annotated[bool, typer.Option("--variants", help="Also as turned and mirrored pictures.")]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Where the banks are; default: $JAGA_STORE, else the user's data folder."
    ),
]
Name = Annotated[str, typer.Argument(metavar="BANK", show_default=False)]


@media.command("hash")
def hash_(
    paths: Files,
    json: Json = False,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="KIND",
            help="md5, sha1, sha256, blake3, pdq, vpdq; may be given several times.",
            show_default=False,
        ),
    ] = None,
    variants: Variants = False,
    keyframes: Keyframes = False,
) -> None:
    """Hash files: MD5, SHA-1 and SHA-256 of each, PDQ of each frame of a picture, vPDQ of a video.

    Exit codes: 0 all read, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    needed()
    from jaga.media.hashing import DEFAULT_KINDS, hash_files, walk

    told = _Told()
    found = told.all(hash_files(walk(paths), kinds or DEFAULT_KINDS, variants=variants, keyframes=keyframes))
    if json:
        _document("files", (_file(one) for one in found))
    else:
        for one in found:
            for kind, digest in one.digests.items():
                print(f"{digest.hex()}  {kind}  {one.path}")
            if one.video is not None:
                print(f"{_video_text(one.video)}  vpdq  {one.path}")
            for look in one.looks:
                for value in look.values:
                    frame = f" frame {look.frame}" if len(one.looks) > 1 else ""
                    turned = f" {value.variant}" if variants else ""
                    quality = "" if value.quality is None else f" quality {value.quality}"
                    place = one.path if look.inside is None else f"{one.path}!{look.inside}"
                    print(f"{value.value.hex()}  {value.kind}{turned}{frame}{quality}  {place}")
    raise typer.Exit(told.code())


@media.command()
def match(
    paths: Files,
    banks: Annotated[
        list[str] | None,
        typer.Option("--bank", metavar="BANK", help="Only this bank; may be given several times.", show_default=False),
    ] = None,
    json: Json = False,
    variants: Variants = False,
    keyframes: Keyframes = False,
    store: Store = None,
) -> None:
    """Say which files are known. Files that match are never opened for anyone to see.

    Exit codes: 11 something known as bad, 0 nothing of that kind, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    from jaga.media.hashing import walk

    with _store(store) as kept:
        from jaga.media.matching import Matcher

        matcher = Matcher(kept, banks)
        told = _Told()
        bad = 0

        def matched() -> Iterator[tuple[Hashed, tuple[Match, ...]]]:
            nonlocal bad
            for one in matcher.files(walk(paths), variants=variants, keyframes=keyframes):
                told.one(one.file)
                bad += one.bad
                yield one.file, one.matches

        if json:
            _document("files", (_file(file) | {"matches": [_match(one) for one in every]} for file, every in matched()))
        else:
            for file, every in matched():
                for one in every:
                    print(f"{file.path}: {_words(one)}")
            print(f"{told.files:,} files, {bad:,} known as bad", file=sys.stderr)
    raise typer.Exit(Exit.URGENT if bad else told.code())


@media.command()
def hashlookup(
    paths: Files,
    url: Annotated[
        str, typer.Option(metavar="URL", help="The server that is asked: the SHA-1 of each file is sent to it.")
    ] = "https://hashlookup.circl.lu",
    json: Json = False,
) -> None:
    """Ask a hashlookup server which files are published ones (NSRL and others). This sends hashes of files to it; nothing else does.

    Exit codes: 0, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    needed()
    from jaga.media.hashing import hash_files, walk
    from jaga.media.hashlookup import Hashlookup

    server = Hashlookup(url)
    told = _Told()
    files = [one for one in told.all(hash_files(walk(paths), ("sha1",))) if not one.unread]
    known = {one.sha1: one for one in server.known(one.digests["sha1"] for one in files)}
    if json:
        _document(
            "files",
            (
                {
                    "path": one.path,
                    "sha1": sha1,
                    "known": None if sha1 not in known else msgspec.to_builtins(known[sha1]),
                }
                for one in files
                for sha1 in (one.digests["sha1"].hex(),)
            ),
        )
    else:
        for one in files:
            found = known.get(one.digests["sha1"].hex())
            if found is not None:
                said = f", called malicious by {found.malicious}" if found.malicious else ""
                print(f"{one.path}: published as {found.name or 'a file without a name'} ({found.source}){said}")
        print(f"{len(files):,} files, {len(known):,} published", file=sys.stderr)
    raise typer.Exit(told.code())


@media.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Other than this machine's own addresses only with keys and a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 5100,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer, over one store.")] = 1,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="For TLS: the certificate, with its chain.", show_default=False)
    ] = None,
    certificate_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="For TLS: its private key.", show_default=False)
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy of yours does the TLS: plain HTTP to the network is meant.")
    ] = False,
    log: Annotated[
        bool, typer.Option("--log", help="A JSON line for each request on stderr, without contents.")
    ] = False,
    store: Store = None,
) -> None:
    """Answer over HTTP as Meta's Hasher-Matcher-Actioner does (docs/media.md)."""
    import ipaddress
    import os
    import tempfile

    needed("fastapi", "uvicorn", "python_multipart", "prometheus_client")
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if (certificate is None) != (certificate_key is None):
        _wrong("--certificate and --certificate-key go together")
    with _store(store, create=True) as kept:
        keys = any(one.revoked_at is None for one in kept.every_key())
        folder = kept.folder
    if not own and not keys:
        _wrong(f"--host {host}: for other machines make a key first: jaga media key add NAME")
    if not own and certificate is None and not behind_proxy:
        _wrong(f"--host {host}: other machines are answered by TLS only: --certificate, or --behind-proxy")
    import uvicorn

    given = {
        "JAGA_SERVE_STORE": str(folder),
        "JAGA_SERVE_NEEDS_KEY": str(int(not own)),
        "JAGA_SERVE_LOG": str(int(log)),
    }
    os.environ.update(given)
    with tempfile.TemporaryDirectory(prefix="jaga-") as metrics:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        uvicorn.run(
            "jaga.media.server:app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
            access_log=False,
            ssl_certfile=certificate,
            ssl_keyfile=certificate_key,
            server_header=False,
        )


@bank.command("create")
def create(
    name: Name,
    good: Annotated[bool, typer.Option("--good", help="What it holds is known to be harmless.")] = False,
    category: Annotated[str | None, typer.Option(show_default=False)] = None,
    severity: Annotated[int | None, typer.Option(help="0 to 10, the graver the higher.", show_default=False)] = None,
    jurisdiction: Annotated[
        str | None, typer.Option(help="Whose law the categories follow.", show_default=False)
    ] = None,
    source: Annotated[str | None, typer.Option(help="Who gave it.", show_default=False)] = None,
    threshold: Annotated[
        int | None, typer.Option(metavar="BITS", help="How far apart pictures may be; default 31.", show_default=False)
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="Takes part until then.", show_default=False)
    ] = None,
    store: Store = None,
) -> None:
    """Make an empty bank."""
    with _store(store, create=True) as kept:
        from jaga.media.banks import Bank

        kept.create(
            Bank(
                name=name,
                meaning="good" if good else "bad",
                category=category,
                severity=severity,
                jurisdiction=jurisdiction,
                source=source,
                threshold_bits=threshold,
                expires_at=_date(expires),
            )
        )


@bank.command("set")
def set_(
    name: Name,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it takes part in matching.", show_default=False)
    ] = None,
    category: Annotated[str | None, typer.Option(show_default=False)] = None,
    severity: Annotated[int | None, typer.Option(show_default=False)] = None,
    jurisdiction: Annotated[str | None, typer.Option(show_default=False)] = None,
    threshold: Annotated[int | None, typer.Option(metavar="BITS", show_default=False)] = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", show_default=False)] = None,
    store: Store = None,
) -> None:
    """Change a bank's settings; the history keeps what they were."""
    given = {
        "enabled": enabled,
        "category": category,
        "severity": severity,
        "jurisdiction": jurisdiction,
        "threshold_bits": threshold,
        "expires_at": _date(expires),
    }
    with _store(store) as kept:
        kept.change(name, **{key: value for key, value in given.items() if value is not None})


@bank.command("list")
def list_(json: Json = False, store: Store = None) -> None:
    """List the banks."""
    with _store(store) as kept:
        every = kept.banks()
    if json:
        _document("banks", map(_bank, every))
        return
    for one in every:
        facts = [one.meaning, f"{one.items:,} items", f"{one.hashes:,} hashes"]
        facts += [] if one.enabled else ["disabled"]
        facts += [] if one.threshold_bits is None else [f"within {one.threshold_bits} bits"]
        facts += [] if one.expires_at is None else [f"until {one.expires_at:%Y-%m-%d}"]
        facts += [text for text in (one.category, one.jurisdiction, one.source) if text]
        print(f"{one.name}: {', '.join(facts)}")


@bank.command("add")
def add(
    name: Name,
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", show_default=False)] = None,
    hashes: Annotated[
        list[str] | None,
        typer.Option("--hash", metavar="KIND:HEX", help="A hash in place of a file.", show_default=False),
    ] = None,
    category: Annotated[str | None, typer.Option(show_default=False)] = None,
    severity: Annotated[int | None, typer.Option(show_default=False)] = None,
    note: Annotated[str | None, typer.Option(show_default=False)] = None,
    store: Store = None,
) -> None:
    """Add files, or hashes, to a bank. Of a file only its hashes are kept."""
    if not paths and not hashes:
        _wrong("give a file, or --hash KIND:HEX")
    with _store(store) as kept:
        from jaga.media.banks import Item, parsed
        from jaga.media.hashing import DEFAULT_KINDS, hash_files, walk

        kept.bank(name, counted=False)
        about: dict[str, Any] = {"category": category, "severity": severity, "note": note}
        items = []
        for text in hashes or ():
            kind, _, digits = text.partition(":")
            items.append(Item(hashes=(parsed(kind, digits),), source="command line", **about))
        told = _Told()
        for one in told.all(hash_files(walk(paths or ()), DEFAULT_KINDS)):
            if not one.unread:
                items.append(Item(hashes=_worth_keeping(one), source=one.path, **about))
        _report(kept.add(name, items))
    raise typer.Exit(told.code())


@bank.command("import")
def import_(
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    format: Annotated[
        str | None,
        typer.Option(
            "--format", help="vics (also CAID), misp, nsrl, csv; default: by its content.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="KIND", help="What bare hashes of 64 digits are.", show_default=False),
    ] = None,
    store: Store = None,
) -> None:
    """Add a list of hashes to a bank: all that can be read of it, or, if stopped in the middle, nothing.

    Exit codes: 0 all taken, 2 wrong use, 3 nothing could be read, 4 part could not be read.
    """
    with _store(store) as kept:
        from jaga.errors import NotThisFormat, UnreadableInput
        from jaga.media.lists import read_list

        try:
            result = kept.add(name, read_list(path, format, kind=kind), source=str(path))
        except NotThisFormat as error:
            raise UnreadableInput(error.what, where=error.where, remedy=error.remedy) from error
        _report(result)
    if not result.problems:
        raise typer.Exit(Exit.OK)
    raise typer.Exit(Exit.PARTLY_READ if result.items or result.duplicates else Exit.NOTHING_READ)


@bank.command("export")
def export(
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    format: Annotated[str, typer.Option("--format", help="vics, misp or csv.")] = "vics",
    store: Store = None,
) -> None:
    """Write a bank as a list, whole or not at all."""
    if format not in ("vics", "misp", "csv"):
        _wrong(f"--format {format}: choose vics, misp or csv")
    with _store(store) as kept:
        from jaga.media.lists.hash_csv import write_csv
        from jaga.media.lists.misp import write_misp
        from jaga.media.lists.vics import write_vics

        part = path.with_name(path.name + ".part")
        try:
            if format == "vics":
                with part.open("wb") as out:
                    count = write_vics(kept.items(name), out)
            elif format == "misp":
                bad = kept.bank(name, counted=False).meaning == "bad"
                with part.open("wb") as out:
                    count = write_misp(kept.items(name), out, info=f"Hash list {name}", to_ids=bad)
            else:
                with part.open("w", encoding="utf-8", newline="") as text:
                    count = write_csv(kept.items(name), text)
            part.replace(path)
        except OSError as error:
            _wrong(f"{path}: cannot be written: {error.strerror or error}")
        finally:
            part.unlink(missing_ok=True)
    print(f"{count:,} items written to {path}", file=sys.stderr)


@bank.command("history")
def history(
    name: Annotated[str | None, typer.Argument(metavar="[BANK]", show_default=False)] = None,
    json: Json = False,
    store: Store = None,
) -> None:
    """What was done to the banks, oldest first."""
    with _store(store) as kept:
        every = kept.history(name)
    if json:
        _document("events", ({"at": e.at, "what": e.what, "bank": e.bank, "detail": e.detail} for e in every))
        return
    for event in every:
        detail = ", ".join(f"{key} {value}" for key, value in event.detail.items())
        print(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.bank or ''}  {event.what}  {detail}")


class _Told:
    """Says what is wrong with files on stderr, and keeps count for the exit code."""

    def __init__(self) -> None:
        self.files = self._unread = self._partly = 0

    def one(self, file: Hashed) -> None:
        self.files += 1
        self._unread += file.unread
        self._partly += bool(file.problems)
        for problem in file.problems:
            print(f"{file.path}: {problem}", file=sys.stderr)

    def all(self, files: Iterable[Hashed]) -> Iterator[Hashed]:
        for file in files:
            self.one(file)
            yield file

    def code(self) -> Exit:
        if self.files and self._unread == self.files:
            return Exit.NOTHING_READ
        return Exit.PARTLY_READ if self._partly else Exit.OK


def needed(*more: str) -> None:
    """Raises: DataNeeded, if the packages of the extra `media` are not there."""
    import importlib.util

    from jaga.errors import DataNeeded

    for package in ("numba", "pdqhash", "PIL", "simplejpeg", "sqlalchemy", *more):
        if importlib.util.find_spec(package) is None:
            raise DataNeeded(f"jaga media needs the package {package}", remedy="pip install 'jaga[media]'")


def _store(folder: Path | None, *, create: bool = False) -> BankStore:
    needed()
    from jaga.media.banks import BankStore, default_store

    return BankStore(folder or default_store(), create=create)


def _wrong(text: str) -> NoReturn:
    print(f"jaga media: {text}", file=sys.stderr)
    raise typer.Exit(Exit.USAGE)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        _wrong(f"--expires {text}: give a date like 2027-12-31")
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told


def _worth_keeping(one: Hashed) -> tuple[tuple[str, bytes], ...]:
    """Its hashes, but for PDQ of frames with too little to see: all such pictures would match one another."""
    from jaga.media.matching import LEAST_QUALITY

    near = [
        (v.kind, v.value)
        for look in one.looks
        # What else is in a document, a letterhead say, is not what was meant by naming it.
        if look.inside is None
        for v in look.values
        if v.quality is None or v.quality >= LEAST_QUALITY
    ]
    video: list[tuple[str, bytes]] = []
    if one.video is not None:
        from jaga.media.video import telling

        # One with too little to see would match nothing.
        video = [("vpdq", one.video)] if len(telling(one.video)) else []
    return tuple(dict.fromkeys((*one.digests.items(), *near, *video)))


def _video_text(video: bytes) -> str:
    from jaga.media.video import text_of

    return text_of(video)


def _report(result: Imported) -> None:
    for problem in result.problems:
        print(f"{problem.where}: {problem.what}", file=sys.stderr)
    if result.more_problems:
        print(f"and {result.more_problems:,} more problems", file=sys.stderr)
    print(
        f"{result.items:,} items with {result.hashes:,} hashes added, {result.duplicates:,} were there", file=sys.stderr
    )


def _words(one: Match) -> str:
    facts = [f"known as {one.meaning} in {one.bank}", f"item {one.item}"]
    facts += [f"category {one.category}"] if one.category else []
    facts += [one.name] if one.name else []
    facts += [f"{one.kind}, {one.distance_bits} bits apart" if one.distance_bits else one.kind]
    if one.of_file_percent is not None:
        facts.append(
            f"{one.of_file_percent:.0f} % of this video's frames, {one.of_known_percent:.0f} % of the known one's"
        )
    facts += [f"inside it {one.inside}"] if one.inside else []
    facts += [f"frame {one.frame}"] if one.frame else []
    facts += [one.variant] if one.variant not in (None, "original") else []
    return ", ".join(str(fact) for fact in facts)


def _file(one: Hashed) -> dict[str, Any]:
    return {
        "path": one.path,
        "size_bytes": one.size_bytes,
        "format": one.format,
        "hashes": {kind: value.hex() for kind, value in one.digests.items()},
        "frames": [
            {
                "frame": look.frame,
                "inside": look.inside,
                "width": look.width,
                "height": look.height,
                "hashes": [
                    {"kind": v.kind, "value": v.value.hex(), "quality": v.quality, "variant": v.variant}
                    for v in look.values
                ],
            }
            for look in one.looks
        ],
        "video": None if one.video is None else _video_text(one.video),
        "problems": list(one.problems),
    }


def _match(one: Match) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(one)


def _bank(one: Bank) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(one)


def _document(name: str, entries: Iterable[dict[str, Any]]) -> None:
    """One JSON document on stdout, written as it comes: memory does not grow with the number of files."""
    import msgspec

    from jaga import __version__

    out = sys.stdout
    out.write(f'{{"schema":1,"generator":"jaga {__version__}","{name}":[')
    for number, entry in enumerate(entries):
        out.write(("," if number else "") + "\n" + msgspec.json.encode(entry).decode())
    out.write("\n]}\n")
