"""Gathers every text a person reads and brings the translations up to date.

    .venv/bin/python tools/words.py            # put new texts into the .po files, take out those no longer said
    .venv/bin/python tools/words.py --check    # list what is not translated; fails if anything is
    .venv/bin/python tools/words.py --fill F   # take translations from a file

A file of translations holds blocks with an empty line between: the English text, then a line `ms: …` for each language; where a
language has a form for one and another for many, ` || ` stands between them.

The tests call `untranslated`, so a text without a translation fails them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import jinja2
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from jaga import errors
from jaga.cli._help import USAGE_FAULTS, texts_of_help
from jaga.words import FOUND

__all__ = ["LOCALE", "Text", "gather", "untranslated"]

ROOT = Path(__file__).parents[1]
CODE = ROOT / "src" / "jaga"
LOCALE = CODE / "locale"

# (context, text, plural)
Text = tuple[str | None, str, str | None]

# Rooms whose messages only developers meet: faults in Jaga's own data files, the measuring of it, and the library.
_NOT_READ = ("signals", "assessment", "evaluate", "plugins.py", "engine.py", "adapters")
# Calls whose first text, or `what` and `remedy`, reach the reader through Words.found.
_FOUND_CALLS = frozenset(("Problem", *errors.__all__))
# Their other names: a variable or a helper that the text passes through.
_FOUND_NAMES = frozenset({"what", "doubt", "remedy", "misfits"})
# Fields that hold words of ours, not the file's.
_FOUND_FIELDS = (
    "line {number}",
    "row {row}",
    "day/month/year",
    "month/day/year",
    "year/month/day",
    "day/month/year or month/day/year",
    "day/month/year or year/month/day",
    "month/day/year or year/month/day",
    "No such file or directory",
    "Permission denied",
    "Is a directory",
    "No space left on device",
    "Input/output error",
    "Read-only file system",
)


def gather() -> list[Text]:
    """Every text, each once, in a stable order."""
    texts: dict[Text, None] = {}
    for path in sorted(CODE.rglob("*.py")):
        inside = path.relative_to(CODE)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts.update(dict.fromkeys(_said(tree)))
        if inside.parts[0] not in _NOT_READ:
            texts.update(dict.fromkeys(_found(tree)))
    for path in sorted(CODE.rglob("templates/*.html")):
        texts.update(dict.fromkeys(_in_template(path)))
    texts[None, "{what} ({remedy})", None] = None
    texts.update(dict.fromkeys((FOUND, text, None) for text in (*_FOUND_FIELDS, *USAGE_FAULTS)))
    # Addresses and bare numbers are the same in every language.
    texts.update(dict.fromkeys((None, text, None) for text in _from_data() if re.search("[A-Za-z]{2}", _bare(text))))
    return list(texts)


def _bare(text: str) -> str:
    return re.sub(r"https?://\S+", "", text)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _plain(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _said(tree: ast.AST) -> Iterator[Text]:
    """say("...") and say.plural("...", "...", n)."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = _plain(node.args[0])
        if first is None:
            continue
        if _name(node.func) in ("say", "N_"):
            yield None, first, None
        elif _name(node.func) == "plural" and len(node.args) > 1:
            yield None, first, _plain(node.args[1])


def _found(tree: ast.AST) -> Iterator[Text]:
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if name == "_problem":
                values += node.args[1:2]
            elif name == "found" or (name in _FOUND_CALLS and name != "Problem"):
                values += node.args[:1]
            if name == "_problem" or name in _FOUND_CALLS:
                values += [keyword.value for keyword in node.keywords if keyword.arg in _FOUND_NAMES]
        elif isinstance(node, ast.Assign):
            if any(_name(target) in _FOUND_NAMES for target in node.targets):
                values.append(node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            # A note given back beside what it is about; a plain string there is a code or a reason, not for readers.
            values += [part for part in node.value.elts if isinstance(part, ast.JoinedStr)]
        elif isinstance(node, ast.FunctionDef):
            named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            values += [value for name, value in zip(named, node.args.defaults, strict=True) if name.arg in _FOUND_NAMES]
        elif isinstance(node, ast.AnnAssign) and _name(node.target) in _FOUND_NAMES and node.value is not None:
            values.append(node.value)
        for value in values:
            for text in _templates(value):
                # Joins of other texts hold no words of their own, and a single word is a code, not a sentence.
                if re.search(r"[A-Za-z]{2}.* ", re.sub(r"\{\w+\}", "", text)):
                    yield FOUND, text, None


def _templates(node: ast.expr) -> Iterator[str]:
    """The texts an expression can give, with `{name}` for what is filled in."""
    if isinstance(node, ast.IfExp):
        yield from _templates(node.body)
        yield from _templates(node.orelse)
        return
    plain = _plain(node)
    if plain is not None:
        yield plain
    elif isinstance(node, ast.JoinedStr):
        text = ""
        taken: dict[str, int] = {}
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                name = _field(part.value)
                taken[name] = taken.get(name, 0) + 1
                text += f"{{{name}}}" if taken[name] == 1 else f"{{{name}{taken[name]}}}"
            else:
                text += _plain(part) or ""
        yield text


def _field(node: ast.expr) -> str:
    """A readable name for what an f-string fills in: the last name in it."""
    names = [_name(one).lower().strip("_") for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)]
    useful = [name for name in names if name and name not in ("str", "len", "type", "get", "repr", "text")]
    return useful[0] if useful else "value"


def _in_template(path: Path) -> Iterator[Text]:
    tree = jinja2.Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    for call in tree.find_all(jinja2.nodes.Call):
        texts = [arg.value for arg in call.args if isinstance(arg, jinja2.nodes.Const) and isinstance(arg.value, str)]
        if isinstance(call.node, jinja2.nodes.Name) and call.node.name == "say" and texts:
            yield None, texts[0], None
        elif isinstance(call.node, jinja2.nodes.Getattr) and call.node.attr == "plural":
            yield None, texts[0], texts[1]


def _from_data() -> Iterator[str]:
    """Help of the commands, titles of the sources, the tactics, and the guidance."""
    from jaga.family.home._guides import texts as texts_of_guides
    from jaga.family.home.pages.child import removing
    from jaga.guidance import countries, load_guidance
    from jaga.signals.catalogue import load_catalogue
    from jaga.sources import all_sources

    yield from texts_of_help()
    yield from texts_of_guides()
    for steps in removing().apps.values():
        yield from steps
    yield from (source.title for source in all_sources())
    for tactic in load_catalogue().tactics.values():
        yield tactic.title
        yield from (group.meaning for group in tactic.groups.values())
    for country in (None, *countries()):
        guidance = load_guidance(country)
        for line in guidance.helplines:
            yield from (line.name, line.reach, line.purpose)
        yield from guidance.laws.values()
        for steps in guidance.steps.values():
            yield from steps
        for kept in (guidance.keep, guidance.never):
            yield from kept.steps if kept is not None else ()
        yield from guidance.talk.values()


def untranslated(catalog: Catalog) -> list[Text]:
    """Texts that this catalogue does not say, or says only for some numbers."""
    missing = []
    for context, text, plural in gather():
        message = catalog.get(text, context)
        said = () if message is None else message.string
        if not said or (not isinstance(said, str) and not all(said)) or (message is not None and message.fuzzy):
            missing.append((context, text, plural))
    return missing


def load(language: str) -> Catalog:
    with (LOCALE / language / "LC_MESSAGES" / "jaga.po").open("rb") as stream:
        return read_po(stream, locale=language)


def _update(language: str) -> int:
    old = load(language)
    wanted = {(context, text): plural for context, text, plural in gather()}
    new = Catalog(
        locale=language, project="jaga", header_comment=old.header_comment, fuzzy=False, creation_date=old.creation_date
    )
    new.mime_headers = [
        (name, value) for name, value in old.mime_headers if name in ("Language", "Plural-Forms", "Content-Type")
    ]
    # Known ones keep their place, so that the change is easy to read.
    kept = [(message.context, _first(message)) for message in old if message.id]
    order = [key for key in kept if key in wanted] + [key for key in wanted if key not in set(kept)]
    for context, text in order:
        plural = wanted[context, text]
        before = old.get(text, context)
        string = before.string if before is not None else "" if plural is None else ("",) * new.num_plurals
        new.add(text if plural is None else (text, plural), string, context=context)
    _write(new, language)
    return len(untranslated(new))


def _write(catalog: Catalog, language: str) -> None:
    buffer = BytesIO()
    write_po(buffer, catalog, width=110)
    # Dates in the header would change the file each time, without a text having changed.
    lines = [
        line for line in buffer.getvalue().splitlines(True) if not re.match(rb'"(POT-Creation|PO-Revision)-Date', line)
    ]
    (LOCALE / language / "LC_MESSAGES" / "jaga.po").write_bytes(b"".join(lines))


def _first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _fill(source: Path) -> None:
    """Put translations from a file where there are none yet. Raises: ValueError, after all the others, for texts that nobody says."""
    said: dict[str, dict[str, str]] = {}
    for block in source.read_text(encoding="utf-8").strip().split("\n\n"):
        text, *lines = block.splitlines()
        for line in lines:
            language, words = line.split(": ", 1)
            said.setdefault(language, {})[text] = words
    unknown: dict[str, None] = {}
    for language, texts in said.items():
        catalog = load(language)
        found = set()
        for message in catalog:
            if not message.id or _first(message) not in texts:
                continue
            found.add(_first(message))
            words = texts[_first(message)]
            if isinstance(message.id, str):
                message.string = message.string or words
            elif not all(message.string or ("",)):
                message.string = tuple((words.split(" || ") * catalog.num_plurals)[: catalog.num_plurals])
        _write(catalog, language)
        unknown.update(dict.fromkeys(text for text in texts if text not in found))
    if unknown:
        raise ValueError("nobody says: " + "; ".join(unknown))


def main() -> int:
    languages = sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir())
    if "--fill" in sys.argv:
        for language in languages:
            _update(language)
        _fill(Path(sys.argv[sys.argv.index("--fill") + 1]))
    missing = 0
    for language in languages:
        if "--check" in sys.argv:
            texts = untranslated(load(language))
            for _context, text, _plural in texts:
                print(f"{language}: {text}")
            count = len(texts)
        else:
            count = _update(language)
        print(f"{language}: {count} texts are not translated", file=sys.stderr)
        missing += count
    return 1 if missing and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
