"""`jaga media exchange`: banks that follow a hash list which somebody else keeps."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from jaga.cli._exits import Exit
from jaga.cli.media import Json, Store, _document, _store, _wrong, needed

__all__ = ["exchange"]

exchange = typer.Typer(
    help="Let banks follow NCMEC, StopNCII, ThreatExchange or a file. Nobody is asked anything until you say fetch.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="BANK", show_default=False)]
Api = Annotated[str, typer.Argument(metavar="API", help="See: jaga media exchange apis.", show_default=False)]
Extensions = Annotated[
    list[str] | None,
    typer.Option("--extension", metavar="MODULE", help="A python-threatexchange extension.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting; may be given several times.", show_default=False),
]


@exchange.command("apis")
def apis(json: Json = False, extensions: Extensions = None) -> None:
    """What can be followed, with the settings and credentials that each takes."""
    _packages()
    from jaga.media import exchanges

    every: list[dict[str, Any]] = [
        {
            "name": name,
            "settings": exchanges.schema(name, extensions or ()),
            "credentials": exchanges.needs(name, extensions or ()),
        }
        for name in sorted(exchanges.apis(extensions or ()))
    ]
    if json:
        _document("apis", every)
        return
    for one in every:
        settings, credentials = one["settings"], one["credentials"]
        facts = [_asked(settings)] + ([] if credentials is None else [f"logs in with {_asked(credentials)}"])
        print(f"{one['name']}: {'; '.join(facts)}")


@exchange.command("add")
def add(name: Name, api: Api, settings: Settings = None, extensions: Extensions = None, store: Store = None) -> None:
    """Let a bank (made if there is none) follow a source."""
    _packages()
    from jaga.media import exchanges

    given = _pairs(settings, exchanges.schema(api, extensions or ()))
    exchanges.validated(name, api, given, extensions or ())
    with _store(store, create=True) as kept:
        kept.follow(name, api, given)


@exchange.command("login")
def login(api: Api, settings: Settings = None, extensions: Extensions = None, store: Store = None) -> None:
    """Keep the credentials for a source, in a file beside the banks that only you can read; asked for when not given."""
    _packages()
    from jaga.media import exchanges

    wanted = exchanges.needs(api, extensions or ())
    if wanted is None:
        _wrong(f"{api} takes no credentials")
    given = _pairs(settings, wanted)
    for key in wanted["required"]:
        if key not in given:
            given[key] = typer.prompt(key, hide_input=True)
    with _store(store, create=True) as kept:
        exchanges.set_credentials(kept, api, given, extensions or ())


@exchange.command("fetch")
def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BANK...]", show_default=False)] = None,
    extensions: Extensions = None,
    json: Json = False,
    store: Store = None,
) -> None:
    """Bring banks up to date with their sources: those named, else all that are enabled.

    What had come when a fetch fails or is stopped is kept, and the next one goes on from there.
    Exit codes: 0 all fetched, 2 wrong use, 3 none could be fetched, 4 part could not be fetched.
    """
    _packages()
    from jaga.errors import ServiceError
    from jaga.media import exchanges

    done: list[dict[str, Any]] = []
    failed = 0
    with _store(store) as kept:
        every = names or [one.name for one in kept.exchanges() if one.enabled]
        if not every:
            _wrong("no bank follows anything: jaga media exchange add BANK API")
        for name in every:
            try:
                result = exchanges.fetch(kept, name, extensions=extensions or ())
            except ServiceError as error:
                failed += 1
                print(f"{name}: {error}", file=sys.stderr)
                continue
            for problem in result.problems:
                print(f"{problem.where}: {problem.what}", file=sys.stderr)
            if result.more_problems:
                print(f"and {result.more_problems:,} more problems", file=sys.stderr)
            done.append(
                {
                    "bank": name,
                    "entries": result.entries,
                    "added": result.added,
                    "withdrawn": result.withdrawn,
                    "returned": result.returned,
                    "problems": len(result.problems) + result.more_problems,
                }
            )
    if json:
        _document("fetched", done)
    else:
        for one in done:
            print(
                f"{one['bank']}: {one['entries']:,} entries, {one['added']:,} hashes added, {one['withdrawn']:,} withdrawn"
            )
    if failed:
        raise typer.Exit(Exit.PARTLY_READ if done else Exit.NOTHING_READ)
    raise typer.Exit(Exit.PARTLY_READ if any(one["problems"] for one in done) else Exit.OK)


@exchange.command("list")
def list_(json: Json = False, store: Store = None) -> None:
    """Which banks follow what, and how the last fetch went."""
    with _store(store) as kept:
        every = kept.exchanges()
    if json:
        _document(
            "exchanges",
            (
                {
                    "bank": one.name,
                    "api": one.api,
                    "settings": one.settings,
                    "enabled": one.enabled,
                    "entries": one.entries,
                    "fetched_at": None if one.ended_at is None else one.ended_at.isoformat(),
                    "problem": one.problem,
                }
                for one in every
            ),
        )
        return
    for one in every:
        when = "never fetched" if one.ended_at is None else f"fetched {one.ended_at:%Y-%m-%d %H:%M} UTC"
        facts = [one.api, when, f"{one.entries:,} entries"]
        facts += [] if one.enabled else ["disabled"]
        facts += [] if one.problem is None else [f"last fetch: {one.problem}"]
        print(f"{one.name}: {', '.join(facts)}")


@exchange.command("set")
def set_(
    name: Name,
    enabled: Annotated[bool, typer.Option("--enable/--disable", help="Whether fetch without names takes it.")],
    store: Store = None,
) -> None:
    """Follow a source, or not for now."""
    with _store(store) as kept:
        kept.change_exchange(name, enabled=enabled)


@exchange.command("remove")
def remove(name: Name, store: Store = None) -> None:
    """Stop following a source for good. The bank and its hashes stay."""
    with _store(store) as kept:
        kept.change_exchange(name, removed=True)


@exchange.command("tell")
def tell(
    name: Name,
    item: Annotated[int, typer.Argument(metavar="ITEM", show_default=False)],
    seen: Annotated[
        bool, typer.Option("--seen/--false-positive", help="It was met here, or it is wrong.", show_default=False)
    ],
    reason: Annotated[
        str | None, typer.Option(help="Why it is wrong, where the source asks for it.", show_default=False)
    ] = None,
    extensions: Extensions = None,
    store: Store = None,
) -> None:
    """Tell the source of an item (its number is in jaga media match) what came of it. This sends something."""
    _packages()
    from jaga.media import exchanges

    with _store(store) as kept:
        exchanges.tell(
            kept, name, item, "seen" if seen else "false_positive", reason=reason, extensions=extensions or ()
        )


def _packages() -> None:
    needed("threatexchange")


def _asked(schema: dict[str, Any]) -> str:
    names = [name if name in schema["required"] else f"[{name}]" for name in schema["properties"]]
    return ", ".join(names) or "no settings"


def _pairs(settings: list[str] | None, schema: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for text in settings or ():
        key, equals, value = text.partition("=")
        if not equals:
            _wrong(f"--set {text}: write NAME=VALUE")
        listed = schema["properties"].get(key, {}).get("type") == "array"
        given[key] = [part.strip() for part in value.split(",") if part.strip()] if listed else value
    return given
