"""Hears tactics by what it learned from the catalogue's examples (tools/train.py): the ear for wordings no pattern foresaw.

A linear model per tactic over hashed pieces (pieces.py), small enough to ship and to read: its table is 8-bit, and what made
it speak is shown as the most alike prototype.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from importlib import resources
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from jaga.errors import CatalogueError
from jaga.records import Message
from jaga.signals._base import Actor, Signal
from jaga.signals.catalogue import load_catalogue
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import BUCKETS, PAIR, chunks, pairs, parts, words

__all__ = ["GROUP", "Learned", "Table", "load_table"]

# Signals of this ear belong to no group of the tactic's definition.
GROUP = "learned"
# Below this probability it says nothing.
HEARD = 0.25
# Words whose rows are kept at hand; when full they are all let go, so memory stays bounded.
_KEPT_WORDS = 50_000
# Fewer words than this carry no tactic of their own.
_FEWEST = 2


class Table:
    """The model: `weights` (BUCKETS, tactics) int8 with one scale per tactic, and `bias` (tactics,) in log-odds."""

    def __init__(
        self,
        tactics: tuple[str, ...],
        weights: NDArray[np.int8],
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
    ) -> None:
        self.tactics = tactics
        self.weights = weights
        self.scale = scale
        self.bias = bias

    @classmethod
    def of(cls, tactics: tuple[str, ...], weights: NDArray[np.float32], bias: NDArray[np.float32]) -> Table:
        """Round full weights to the shipped precision."""
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-6) / 127.0
        return cls(
            tactics, np.rint(weights / scale).astype(np.int8), scale.astype(np.float32), bias.astype(np.float32)
        )

    def save(self) -> bytes:
        """The file's content."""
        out = BytesIO()
        np.savez_compressed(
            out, tactics=np.array(self.tactics), weights=self.weights, scale=self.scale, bias=self.bias
        )
        return out.getvalue()

    @classmethod
    def load(cls, content: bytes, where: str) -> Table:
        """Raises: CatalogueError, naming the file, if it is not a table."""
        try:
            with np.load(BytesIO(content), allow_pickle=False) as stored:
                table = cls(
                    tuple(str(name) for name in stored["tactics"]), stored["weights"], stored["scale"], stored["bias"]
                )
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise CatalogueError(f"is not a table of weights: {error}", where=where, remedy="run make model") from error
        if table.weights.shape != (BUCKETS, len(table.tactics)):
            raise CatalogueError("has the wrong shape", where=where, remedy="run make model")
        return table


@functools.cache
def load_table() -> Table:
    """The table that ships with Jaga."""
    path = resources.files("jaga") / "signals" / "learned.npz"
    return Table.load(path.read_bytes(), str(path))


class Learned:
    """The learned ear. `table` defaults to the one that ships."""

    name = "learned"

    def __init__(self, table: Table | None = None, heard: float = HEARD) -> None:
        self._table = table or load_table()
        catalogue = load_catalogue()
        self._by = {name: tactic.by for name, tactic in catalogue.tactics.items()}
        self._normalise = load_lexicon().normalise
        self._bar = math.log(heard / (1.0 - heard))
        self._known: dict[str, int] = {}
        self._rows = np.zeros((1024, len(self._table.tactics)), np.float32)

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield one signal per tactic of the speaker's kind whose probability is high enough."""
        odds = self.odds(message.text)
        if odds is None or odds.max() < self._bar:
            return
        identifier = (message.id,)
        for column in np.nonzero(odds >= self._bar)[0]:
            tactic = self._table.tactics[column]
            if self._by.get(tactic) in (by, "anyone"):
                yield Signal(
                    tactic=tactic,
                    group=GROUP,
                    by=by,
                    strength=round(1.0 / (1.0 + math.exp(-float(odds[column]))), 4),
                    messages=identifier,
                    detector=self.name,
                )

    def odds(self, text: str) -> NDArray[np.float32] | None:
        """Log-odds per tactic (tactics,), the highest over the stretches of a long text; None if it says too little."""
        found = words(self._normalise(text))
        if len(found) < _FEWEST:
            return None
        best: NDArray[np.float32] | None = None
        for stretch in chunks(found):
            odds = self._odds(stretch)
            best = odds if best is None else np.maximum(best, odds)
        return best

    def _odds(self, stretch: list[str]) -> NDArray[np.float32]:
        known = self._known
        if len(known) > _KEPT_WORDS:
            known.clear()
        try:
            at = [known[word] for word in stretch]
        except KeyError:
            at = [self._learn(word) for word in stretch]
        table = self._table
        total = self._rows[at].sum(axis=0)
        neighbours = pairs(stretch)
        if neighbours:
            total += PAIR * table.scale * table.weights[neighbours].sum(axis=0, dtype=np.int32)
        return np.asarray(total / math.sqrt(len(stretch)) + table.bias, dtype=np.float32)

    def _learn(self, word: str) -> int:
        at = self._known.get(word)
        if at is None:
            at = len(self._known)
            if at >= len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._rows[at] = self._row(word)
            self._known[word] = at
        return at

    def _row(self, word: str) -> NDArray[np.float32]:
        buckets, weights = zip(*parts(word), strict=True)
        return np.asarray(
            np.array(weights, np.float32) @ self._table.weights[list(buckets)] * self._table.scale, dtype=np.float32
        )
