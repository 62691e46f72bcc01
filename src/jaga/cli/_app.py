"""The command tree."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from jaga import __version__
from jaga.cli._exits import Exit
from jaga.cli.check import check, chosen_language
from jaga.cli.evaluate import evaluate
from jaga.cli.home import doctor, home
from jaga.cli.media import media
from jaga.cli.media_exchange import exchange
from jaga.cli.media_key import key
from jaga.cli.verify import verify

__all__ = ["app", "main"]

app = typer.Typer(
    name="jaga",
    help="Guards children online: reads chats, hears grooming early, tells only what matters. Nothing leaves this machine unless you send it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(check)
app.command()(evaluate)
app.command()(verify)
app.command()(doctor)
app.add_typer(home, name="home")
media.add_typer(exchange, name="exchange")
media.add_typer(key, name="key")
app.add_typer(media, name="media")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.", is_eager=True)] = False,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="LANG",
            help="Language of everything: ms, en, zh or ta; default: JAGA_LANG, else this machine's.",
        ),
    ] = None,
) -> None:
    if version:
        print(f"jaga {__version__}")
        raise typer.Exit
    if lang is not None:
        # A command that is told no other language takes this one.
        known = context.obj = chosen_language(lang)
        context.default_map = {name: {"lang": known} for name in ("check", "verify")}
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """The console script. A broken pipe or Ctrl-C ends quietly; Jaga's own errors print one line and exit 2, or 3 if an input is at fault."""
    from jaga.cli._help import language_of, speak, usage_fault
    from jaga.cli._terminal import plain
    from jaga.errors import JagaError, ServiceError, UnreadableInput
    from jaga.words import words

    # A terminal that cannot show a letter gets a substitute, not a crash half way through a report.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    say = words(language_of(sys.argv[1:]))
    command = typer.main.get_command(app)
    speak(command, say)
    try:
        # Without standalone mode the library leaves saying what went wrong to us: it speaks English only.
        code = command.main(prog_name="jaga", standalone_mode=False)
    except JagaError as error:
        where = "" if error.where is None else f"{say.place(error.where)}: "
        what = error.what if error.remedy is None else f"{error.what} ({error.remedy})"
        print(plain(f"jaga: {where}{say.found(what)}"), file=sys.stderr)
        code = Exit.NOTHING_READ if isinstance(error, (UnreadableInput, ServiceError)) else Exit.USAGE
    except BrokenPipeError:
        sys.stderr.close()
        code = Exit.OK
    except KeyboardInterrupt:
        code = 130
    except typer.TyperException as error:
        print(usage_fault(error, say), file=sys.stderr)
        code = Exit.USAGE
    raise SystemExit(code if isinstance(code, int) else Exit.OK)
