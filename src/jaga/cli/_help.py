"""The commands' own help and faults of use, in the reader's language and fitted to the terminal.

The texts are written in English where each command is declared; here they are said. Typer's own help counts letters,
which breaks lines of Chinese and Tamil in the wrong place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from jaga.words import Words, choose_language

__all__ = ["USAGE_FAULTS", "language_of", "speak", "texts_of_help", "usage_fault"]

# What the library says of a wrong command line. Templates of found texts, see jaga.words.
USAGE_FAULTS = (
    "Missing argument {name}.",
    "Missing option {name}.",
    "Missing command.",
    "No such option: {name}",
    "No such option: {name} (Possible options: {names})",
    "No such command {name}.",
    "No such command {name}. Did you mean {names}?",
    "Option {name} requires an argument.",
    "Option {name} does not take a value.",
    "Got unexpected extra argument ({name})",
    "Got unexpected extra arguments ({names})",
    "Invalid value for {name}: {fault}",
)
# A page wider than this is hard to read, however wide the terminal.
_WIDTH = 90


def language_of(arguments: Sequence[str]) -> str:
    """The language for help: what --lang on this command line says, as far as it can be known before it is read."""
    asked = None
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if argument.startswith("--lang="):
            asked = argument.removeprefix("--lang=")
        elif before == "--lang":
            asked = argument
    try:
        return choose_language(asked)
    except KeyError:
        return choose_language()


def texts_of_help() -> Iterator[str]:
    """Every help text of every command, in English, for the translators."""
    from jaga.cli._app import app

    yield from ("Usage", "Arguments", "Options", "Commands", "[OPTIONS]", "COMMAND [ARGS]...")
    yield from ("Show this message and exit.", "default: {value}")
    for command in _tree(typer.main.get_command(app)):
        yield from _paragraphs(command.help)
        for parameter in command.params:
            yield from filter(None, [getattr(parameter, "help", None), parameter.metavar])


def speak(command: Any, say: Words) -> None:
    """Make a command and all below it say their help through `say`."""

    class Context(typer.Context):
        def get_help(self) -> str:
            return _help(self, say)

        def get_usage(self) -> str:
            return _usage(self, say)

    for one in _tree(command):
        one.context_class = Context


def usage_fault(error: Any, say: Words) -> str:
    """What is wrong with the command line, and where help is."""
    lines = []
    context = getattr(error, "ctx", None)
    if context is not None:
        lines.append(context.get_usage())
    lines.append("jaga: " + say.found(error.format_message()))
    if context is not None:
        lines.append(say("For help: {command}", command=f"{context.command_path} --help"))
        # "jaga EXPORT" is what one tries first.
        if hasattr(context.command, "commands") and any(os.path.exists(argument) for argument in sys.argv[1:]):
            lines.append(say("To read an export: {command}", command="jaga check " + say("PATH...")))
    return "\n".join(lines)


def _tree(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _tree(below)


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) for part in (text or "").split("\n\n") if part.strip()]


def _usage(context: Any, say: Words) -> str:
    parts = [f"{say('Usage')}:", context.command_path]
    if any(parameter.param_type_name == "option" for parameter in context.command.get_params(context)):
        parts.append(say("[OPTIONS]"))
    parts += [_argument(one, say) for one in context.command.params if one.param_type_name == "argument"]
    if hasattr(context.command, "commands"):
        parts.append(say("COMMAND [ARGS]..."))
    return " ".join(parts)


def _argument(parameter: Any, say: Words) -> str:
    return say(parameter.metavar) if parameter.metavar else parameter.name.upper()


def _option(parameter: Any, say: Words) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return names
    return f"{names} {say(parameter.metavar) if parameter.metavar else parameter.name.upper()}"


def _explained(parameter: Any, say: Words) -> str:
    parts = [say(parameter.help or "")]
    if isinstance(parameter.show_default, str):
        parts.append(f"[{say('default: {value}', value=parameter.show_default)}]")
    return "  ".join(parts)


def _help(context: Any, say: Words) -> str:
    from jaga.cli._terminal import columns, folded

    width = columns(_WIDTH)
    lines = folded(_usage(context, say), width)
    for paragraph in _paragraphs(context.command.help):
        lines += ["", *(f"  {line}" for line in folded(say(paragraph), width - 2))]
    every = context.command.get_params(context)
    arguments = [(_argument(one, say), _explained(one, say)) for one in every if one.param_type_name == "argument"]
    options = [
        (_option(one, say), _explained(one, say)) for one in every if one.param_type_name == "option" and not one.hidden
    ]
    commands = [
        (name, say((_paragraphs(one.help) or [""])[0]))
        for name, one in getattr(context.command, "commands", {}).items()
        if not one.hidden
    ]
    for title, rows in ((say("Arguments"), arguments), (say("Options"), options), (say("Commands"), commands)):
        if rows:
            lines += ["", f"{title}:", *_table(rows, width)]
    return "\n".join(lines)


def _table(rows: list[tuple[str, str]], width: int) -> Iterator[str]:
    from jaga.cli._terminal import cells, folded

    left = max(cells(name) for name, _ in rows) + 4
    for name, text in rows:
        first, *further = folded(text, width - left)
        yield f"  {name}{' ' * (left - 2 - cells(name))}{first}"
        yield from (" " * left + line for line in further)
