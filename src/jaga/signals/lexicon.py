"""The pattern ear: every pattern of the catalogue in one linear-time automaton.

Engine: Hyperscan (linear time whatever the text; docs/decisions/0002-pattern-engine.md). Where its wheel does not
exist (Windows) RE2 serves, with the same answers and less speed: tests/signals/test_lexicon.py compares them.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from jaga.errors import CatalogueError
from jaga.records import digest
from jaga.signals.catalogue import Catalogue, load_catalogue
from jaga.signals.normalise import TRADITIONAL, Normaliser

__all__ = ["Hit", "Lexicon", "load_lexicon"]

_GAP = {"Han": "[^;?]{0,6}"}
_GAP_WORDS = "(?: [^ ;?]+){0,3} "
# RM50, rm 50, usd20, 50 ringgit, 50块, ரூ100: after normalising.
_AMOUNT = "(?:(?:rm|usd|sgd|rs|idr|rp|gbp|eur|ரூ) ?\\d+k?|\\d+k? ?(?:rm|ringgit|hengget|bucks?|dollars?|ringit|块钱?|塊錢?|元|令吉|马币|馬幣|ரூபாய்|வெள்ளி|rubaai?|velli))"
_MACRO = re.compile(r"\{([a-z_]+)\}")
_TAMIL_START = "(?:^|[ ])"


class Hit(msgspec.Struct, frozen=True, gc=False):
    """One pattern group found in one message."""

    tactic: str
    group: str
    language: str
    # 0 to 1, from the group's definition.
    strength: float
    # The pattern as its author wrote it: the reason behind the reason.
    pattern: str


class _Pattern(msgspec.Struct, frozen=True):
    hit: Hit
    expression: str


class Lexicon:
    """Hears tactics in single messages.

    Pure: the same text gives the same hits. Keeps a bounded memory of recent texts only to be fast: most chat is
    "ok", "haha" and stickers.
    """

    def __init__(self, catalogue: Catalogue, *, engine: str | None = None, cache: Path | None = None) -> None:
        # Every ear asks for the same text one after the other.
        self.normalise = functools.lru_cache(maxsize=64)(
            Normaliser(catalogue.short_forms, catalogue.vocabulary).__call__
        )
        patterns = list(_compile(catalogue))
        self._hits = [pattern.hit for pattern in patterns]
        find = _engine(engine)([pattern.expression for pattern in patterns], cache)
        self._find = find
        self.hear = functools.lru_cache(maxsize=32_768)(self._hear)

    def _hear(self, text: str) -> tuple[Hit, ...]:
        found = self._find(self.normalise(text))
        if not found:
            return ()
        best: dict[tuple[str, str], Hit] = {}
        silenced: set[str] = set()
        for index in sorted(found):
            hit = self._hits[index]
            if hit.group == "unless":
                silenced.add(hit.tactic)
            else:
                # The same group found in two languages or by two patterns counts once.
                best.setdefault((hit.tactic, hit.group), hit)
        return tuple(hit for hit in best.values() if hit.tactic not in silenced)


@functools.cache
def load_lexicon() -> Lexicon:
    """The lexicon of the catalogue that ships, compiled once per machine into the user's cache folder."""
    return Lexicon(load_catalogue(), cache=cache_folder())


def cache_folder() -> Path:
    """Where compiled automata are kept; safe to delete at any time."""
    named = os.environ.get("JAGA_CACHE")
    if named:
        return Path(named)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "jaga" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaga"


def _compile(catalogue: Catalogue) -> list[_Pattern]:
    words = catalogue.words
    patterns: list[_Pattern] = []
    for (name, code), said in sorted(catalogue.phrases.items()):
        tactic = catalogue.tactics[name]
        script = catalogue.languages[code].script
        for group, expressions in said.patterns.items():
            strength = 0.0 if group == "unless" else tactic.groups[group].strength
            for source in expressions:
                try:
                    # Texts are simplified before they are heard, so what is sought in them is too.
                    expression = _expand(source, words, script).translate(TRADITIONAL)
                except KeyError as error:
                    where = f"tactics/{name}/{code}.toml"
                    raise CatalogueError(f"no word list {error}", where=where, remedy="add it to [words]") from error
                hit = Hit(tactic=name, group=group, language=code, strength=strength, pattern=source)
                patterns.append(_Pattern(hit, expression))
    return patterns


def _expand(source: str, words: dict[str, tuple[str, ...]], script: str) -> str:
    def macro(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "gap":
            return _GAP.get(script, _GAP_WORDS)
        if name == "amount":
            return _AMOUNT
        # Longest first changes nothing in what is found; it keeps the automaton's source readable.
        return "(?:" + "|".join(sorted(words[name], key=lambda word: (-len(word), word))) + ")"

    body = f"(?:{_MACRO.sub(macro, source)})"
    if script == "Latin":
        return rf"\b{body}\b"
    if script == "Tamil":
        return _TAMIL_START + body
    return body


def _version() -> str:
    return version("hyperscan")


_Find = Callable[[str], Sequence[int]]


def _engine(name: str | None) -> Callable[[list[str], Path | None], _Find]:
    if name is None:
        try:
            import hyperscan  # noqa: F401
        except ImportError:
            name = "re2"
        else:
            name = "hyperscan"
    return {"hyperscan": _hyperscan, "re2": _re2}[name]


def _hyperscan(expressions: list[str], cache: Path | None) -> _Find:
    import hyperscan

    if not expressions:
        return lambda text: ()
    database = _load(expressions, cache, _version())
    if database is None:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_ALLOWEMPTY
        database.compile(
            expressions=[expression.encode() for expression in expressions],
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[flags] * len(expressions),
        )
        _save(database, expressions, cache, _version())
    local = threading.local()

    def find(text: str) -> Sequence[int]:
        scratch = getattr(local, "scratch", None)
        if scratch is None:
            # Scratch space serves one scan at a time, so each thread has its own.
            scratch = local.scratch = hyperscan.Scratch(database)
        found: list[int] = []

        def note(index: int, start: int, end: int, flags: int, context: object) -> None:
            found.append(index)

        database.scan(text.encode("utf-8", "replace"), match_event_handler=note, scratch=scratch)
        return found

    return find


def _path(expressions: list[str], cache: Path, version: str) -> Path:
    machine = digest(version, _processor(), *expressions)
    return cache / f"lexicon-{machine}.hsdb"


@functools.cache
def _processor() -> str:
    # A compiled automaton uses the instructions of the processor it was made on.
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("flags"):
                return line
    except OSError:
        pass
    import platform

    return platform.machine() + platform.processor()


def _load(expressions: list[str], cache: Path | None, version: str) -> Any:
    if cache is None:
        return None
    import hyperscan

    try:
        raw = _path(expressions, cache, version).read_bytes()
    except OSError:
        return None
    try:
        return hyperscan.loadb(raw, mode=hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:
        # Damaged or from elsewhere: made again below.
        return None


def _save(database: Any, expressions: list[str], cache: Path | None, version: str) -> None:
    if cache is None:
        return
    import hyperscan

    path = _path(expressions, cache, version)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        part.write_bytes(hyperscan.dumpb(database))
        part.replace(path)
    except OSError:
        # A full or read-only disk costs speed at the next start, nothing else.
        part.unlink(missing_ok=True) if part.exists() else None


def _re2(expressions: list[str], cache: Path | None) -> _Find:
    import re2

    options = re2.Options()
    options.never_capture = True
    options.max_mem = 256 << 20
    options.log_errors = False
    matcher = re2.Set.SearchSet(options)
    for expression in expressions:
        try:
            matcher.Add(expression)
        except re2.error as error:
            raise CatalogueError(str(error), where=expression) from error
    matcher.Compile()

    def find(text: str) -> Sequence[int]:
        return matcher.Match(text) or ()

    return find
