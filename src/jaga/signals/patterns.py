"""Hears tactics by the catalogue's patterns (src/jaga/tactics), in every language at once."""

from __future__ import annotations

from collections.abc import Iterator

from jaga.records import Message
from jaga.signals._base import Actor, Signal
from jaga.signals.catalogue import load_catalogue
from jaga.signals.lexicon import Lexicon, load_lexicon

__all__ = ["Patterns"]


class Patterns:
    """The pattern ear. `lexicon` defaults to the catalogue that ships."""

    name = "patterns"

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._hear = (lexicon or load_lexicon()).hear
        self._by = {name: tactic.by for name, tactic in load_catalogue().tactics.items()}

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield one signal per group heard whose tactic is the speaker's kind of tactic."""
        hits = self._hear(message.text)
        if not hits:
            return
        identifier = None
        for hit in hits:
            if self._by[hit.tactic] in (by, "anyone"):
                if identifier is None:
                    identifier = (message.id,)
                yield Signal(
                    tactic=hit.tactic,
                    group=hit.group,
                    by=by,
                    strength=hit.strength,
                    messages=identifier,
                    detector=self.name,
                    language=hit.language,
                    because=hit.pattern,
                )
