"""Loads the tactic catalogue: what to hear, as data (src/jaga/tactics)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, TypeVar

import msgspec

from jaga.errors import CatalogueError

__all__ = ["Catalogue", "Group", "Language", "Phrases", "Tactic", "load_catalogue", "load_vocabulary"]

Actor = Literal["contact", "child", "anyone"]
_Unit = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which a tactic is done."""

    # How telling one such message is, 0 to 1.
    strength: _Unit
    meaning: str


class Tactic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named behaviour from the literature (tactic.toml)."""

    schema: Literal[1]
    name: str
    title: str
    by: Actor
    stage: str
    urgency: _Unit
    definition: str
    sources: tuple[str, ...]
    groups: dict[str, Group]


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tactic in one language (LANG.toml beside tactic.toml)."""

    schema: Literal[1]
    language: str
    prototypes: tuple[str, ...]
    counter_examples: tuple[str, ...]
    # Group name to patterns; the key `unless` holds harmless contexts that silence the tactic in a message.
    patterns: dict[str, tuple[str, ...]]


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language's short forms and word lists (languages/LANG.toml)."""

    schema: Literal[1]
    language: str
    name: str
    script: Literal["Latin", "Han", "Tamil"]
    short_forms: dict[str, str]
    words: dict[str, tuple[str, ...]]


class Catalogue(msgspec.Struct, frozen=True):
    """Everything to hear. `phrases` is keyed by (tactic, language)."""

    tactics: dict[str, Tactic]
    languages: dict[str, Language]
    phrases: dict[tuple[str, str], Phrases]

    @property
    def short_forms(self) -> dict[str, str]:
        """All languages' tables as one: people switch language inside a sentence. The first language named wins."""
        merged: dict[str, str] = {}
        for language in self.languages.values():
            for short, full in language.short_forms.items():
                merged.setdefault(short, full)
        return merged

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Macro name to the alternatives of all languages together."""
        merged: dict[str, dict[str, None]] = {}
        for language in self.languages.values():
            for name, alternatives in language.words.items():
                merged.setdefault(name, {}).update(dict.fromkeys(alternatives))
        return {name: tuple(alternatives) for name, alternatives in merged.items()}

    @property
    def vocabulary(self) -> frozenset[str]:
        """The words, in lower case, of everything that is said in examples: what someone who hides a word would hide."""
        said = [text for phrases in self.phrases.values() for text in (*phrases.prototypes, *phrases.counter_examples)]
        said += self.short_forms.values()
        return frozenset(_WORD.findall(" ".join(said).lower().replace("'", "").replace("’", "")))


# Latin and Tamil: Chinese has no words to look up, only characters.
_WORD = re.compile("[a-z]+|[\u0b80-\u0bff]+")
# The pattern dialect is the part that Hyperscan and RE2 share; these would make one of them refuse or differ.
_OUTSIDE_DIALECT = re.compile(r"\(\?[=!<P]|\\[1-9bBAzZGK]|\((?!\?:)|(?<!\\)[*+?}]\?|(?<!\\)[$]|(?<![\\\[])\^")


_Loaded = TypeVar("_Loaded", bound=msgspec.Struct)


def _decode(path: Traversable, kind: type[_Loaded]) -> _Loaded:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(str(error), where=str(path), remedy="see docs/add-a-tactic.md") from error


@functools.cache
def load_catalogue() -> Catalogue:
    """The catalogue that ships with Jaga.

    Raises: CatalogueError, naming the file, if one is broken.
    """
    return load_from(resources.files("jaga") / "tactics")


@functools.cache
def load_vocabulary() -> frozenset[str]:
    """The vocabulary of the catalogue that ships; gathered once."""
    return load_catalogue().vocabulary


def load_from(root: Traversable, only: str | None = None) -> Catalogue:
    """Read a catalogue folder: `languages/*.toml` and one folder per tactic.

    `only` leaves out the phrases of every other language (their words stay: sentences mix languages).

    Raises: CatalogueError, naming the file, if one is broken.
    """
    languages: dict[str, Language] = {}
    for entry in _sorted(root / "languages"):
        if entry.name.endswith(".toml"):
            language = _decode(entry, Language)
            languages[language.language] = language
    tactics: dict[str, Tactic] = {}
    phrases: dict[tuple[str, str], Phrases] = {}
    for folder in _sorted(root):
        if not (folder / "tactic.toml").is_file():
            continue
        tactic = _decode(folder / "tactic.toml", Tactic)
        if tactic.name != folder.name:
            raise CatalogueError(
                f"is named {tactic.name!r}", where=str(folder), remedy="name the folder like the tactic"
            )
        tactics[tactic.name] = tactic
        for entry in _sorted(folder):
            wanted = entry.name.endswith(".toml") if only is None else entry.name == f"{only}.toml"
            if entry.name == "tactic.toml" or not wanted:
                continue
            said = _decode(entry, Phrases)
            _check(said, tactic, languages, str(entry))
            phrases[tactic.name, said.language] = said
    return Catalogue(tactics=tactics, languages=languages, phrases=phrases)


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)


def _check(said: Phrases, tactic: Tactic, languages: Mapping[str, Language], where: str) -> None:
    if said.language not in languages:
        raise CatalogueError(f"no language {said.language!r}", where=where, remedy="add languages/<lang>.toml first")
    unknown = set(said.patterns) - set(tactic.groups) - {"unless"}
    if unknown:
        raise CatalogueError(f"groups not in tactic.toml: {sorted(unknown)}", where=where)
    for patterns in said.patterns.values():
        for pattern in patterns:
            odd = _OUTSIDE_DIALECT.search(pattern)
            if odd:
                raise CatalogueError(f"{odd.group()!r} is outside the dialect: {pattern}", where=where)


if __name__ == "__main__":
    # The writers' check lives beside, so that reading the catalogue stays free of the engine.
    from jaga.signals.catalogue_check import main

    raise SystemExit(main())
