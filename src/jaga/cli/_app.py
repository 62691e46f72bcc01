"""The command tree."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jaga import __version__
from jaga.cli._exits import Exit
from jaga.cli.check import check
from jaga.cli.evaluate import evaluate
from jaga.cli.media import media

__all__ = ["app", "main"]

app = typer.Typer(
    name="jaga",
    help="Guards children online: reads chats, hears grooming early, tells only what matters. Nothing leaves this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(check)
app.command()(evaluate)
app.add_typer(media, name="media")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"jaga {__version__}")
        raise typer.Exit


def main() -> None:
    """The console script. A broken pipe or Ctrl-C ends quietly; Jaga's own errors print one line and exit 2, or 3 if an input is at fault."""
    from jaga.errors import JagaError, UnreadableInput

    try:
        app()
    except UnreadableInput as error:
        print(f"jaga: {error}", file=sys.stderr)
        raise SystemExit(Exit.NOTHING_READ) from None
    except JagaError as error:
        print(f"jaga: {error}", file=sys.stderr)
        raise SystemExit(Exit.USAGE) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(Exit.OK) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
