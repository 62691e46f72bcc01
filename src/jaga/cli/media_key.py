"""`jaga media key`: who may ask the server."""

from __future__ import annotations

from typing import Annotated

import typer

from jaga.cli.media import Json, Store, _document, _store

__all__ = ["key"]

key = typer.Typer(help="Keys for `jaga media serve`. Once there is one, every request needs one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@key.command("add")
def add(
    name: Name,
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="match, curate or metrics; may be given several times; default: match.",
            show_default=False,
        ),
    ] = None,
    per_second: Annotated[
        float | None, typer.Option("--per-second", help="Requests a second, on average.", show_default=False)
    ] = None,
    store: Store = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    with _store(store, create=True) as kept:
        print(kept.add_key(name, scopes or ["match"], per_second=per_second))


@key.command("list")
def list_(json: Json = False, store: Store = None) -> None:
    """List the keys: their names, not the keys."""
    with _store(store) as kept:
        every = kept.every_key()
    if json:
        _document(
            "keys",
            (
                {
                    "name": one.name,
                    "scopes": one.scopes,
                    "per_second": one.per_second,
                    "created_at": one.created_at.isoformat(),
                    "revoked_at": None if one.revoked_at is None else one.revoked_at.isoformat(),
                }
                for one in every
            ),
        )
        return
    for one in every:
        facts = [", ".join(one.scopes), f"since {one.created_at:%Y-%m-%d}"]
        facts += [] if one.per_second is None else [f"{one.per_second:g} requests a second"]
        facts += [] if one.revoked_at is None else [f"revoked {one.revoked_at:%Y-%m-%d}"]
        print(f"{one.name}: {'; '.join(facts)}")


@key.command("revoke")
def revoke(name: Name, store: Store = None) -> None:
    """Let a key open nothing any more, within two seconds on a running server."""
    with _store(store) as kept:
        kept.revoke_key(name)
