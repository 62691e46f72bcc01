"""Hears tactics by what it learned from the catalogue's examples (tools/train.py): the ear for wordings no pattern foresaw.

A linear model per tactic over hashed pieces (pieces.py), small enough to ship: its table is 8-bit. Two more columns learn the
tone of a whole conversation: how a contact writes, and how a child answers, in the risky conversations of evaluation/train
and dev against the safe ones. Tone is no evidence by itself; it moves the judgement of what was heard (assessment/_relationship.py).
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

# Columns after the tactics.
TONES = ("tone:contact", "tone:child")
# Log-odds of a tactic outside this range say no more about the tone than its ends.
LOWEST, HIGHEST = -4.0, 3.0
# Signals of this ear belong to no group of the tactic's definition.
GROUP = "learned"
# Below this probability it says nothing.
HEARD = 0.35
# Words whose rows are kept at hand; when full they are all let go, so memory stays bounded.
_KEPT_WORDS = 50_000
# Texts whose odds are kept; a message may be long, so there are few.
_KEPT_TEXTS = 8_192
# Fewer words than this carry no tactic of their own.
_FEWEST = 2


class Table:
    """The model: `weights` (BUCKETS, columns) int8 with one scale per column, and `bias` (columns,) in log-odds.

    `columns` are the tactics, then `TONES`. `tone` (2, columns + 1): weights that turn the log-odds of one message of a contact
    (row 0) or a child (row 1) into its tone, the last one added as it is.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        weights: NDArray[np.int8],
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        tone: NDArray[np.float32],
    ) -> None:
        self.columns = columns
        self.tactics = columns[: -len(TONES)]
        self.tone = tone
        self.weights = weights
        self.scale = scale
        self.bias = bias

    @classmethod
    def of(cls, columns: tuple[str, ...], weights: NDArray[np.float32], bias: NDArray[np.float32]) -> Table:
        """Round full weights to the shipped precision."""
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-6) / 127.0
        return cls(
            columns,
            np.rint(weights / scale).astype(np.int8),
            scale.astype(np.float32),
            bias.astype(np.float32),
            np.zeros((2, len(columns) + 1), np.float32),
        )

    def save(self) -> bytes:
        """The file's content."""
        out = BytesIO()
        np.savez_compressed(
            out,
            columns=np.array(self.columns),
            weights=self.weights,
            scale=self.scale,
            bias=self.bias,
            tone=self.tone,
        )
        return out.getvalue()

    @classmethod
    def load(cls, content: bytes, where: str) -> Table:
        """Raises: CatalogueError, naming the file, if it is not a table."""
        try:
            with np.load(BytesIO(content), allow_pickle=False) as stored:
                table = cls(
                    tuple(str(name) for name in stored["columns"]),
                    stored["weights"],
                    stored["scale"],
                    stored["bias"],
                    stored["tone"],
                )
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise CatalogueError(f"is not a table of weights: {error}", where=where, remedy="run make model") from error
        if table.columns[-2:] != TONES or table.weights.shape != (BUCKETS, len(table.columns)):
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
        tactics = len(self._table.tactics)
        tones = len(TONES)
        # Per column: from where it is heard (tones never are), and the range that counts for tone.
        self._bar = np.array([math.log(heard / (1.0 - heard))] * tactics + [np.inf] * tones, np.float32)
        self._lowest = np.array([LOWEST] * tactics + [-np.inf] * tones, np.float32)
        self._highest = np.array([HIGHEST] * tactics + [np.inf] * tones, np.float32)
        self._weights = self._table.weights * self._table.scale
        self._pairs = self._weights * np.float32(PAIR)
        self._known: dict[str, int] = {}
        self._rows = np.zeros((1024, len(self._table.columns)), np.float32)
        # As the lexicon does: "ok" and "haha" are most of any chat, and hearing and tone ask one after the other.
        self.odds = functools.lru_cache(maxsize=_KEPT_TEXTS)(self._odds_of)

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield one signal per tactic of the speaker's kind whose probability is high enough."""
        odds = self.odds(message.text)
        if odds is None:
            return
        heard = odds >= self._bar
        if not heard.any():
            return
        identifier = (message.id,)
        for column in np.nonzero(heard)[0]:
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

    def tone(self, message: Message, by: Actor) -> float | None:
        """Log-likelihood ratio of the message in a risky against a safe conversation; None if it says too little."""
        odds = self.odds(message.text)
        if odds is None:
            return None
        weights = self._table.tone[0 if by == "contact" else 1]
        bounded = np.minimum(np.maximum(odds, self._lowest), self._highest)
        return float(bounded.dot(weights[:-1]) + weights[-1])

    def _odds_of(self, text: str) -> NDArray[np.float32] | None:
        """Log-odds per column (columns,), the highest over the stretches of a long text; None if it says too little."""
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
        total: NDArray[np.float32] = np.add.reduce(self._rows.take(at, 0), 0)
        neighbours = pairs(stretch)
        if neighbours:
            total += np.add.reduce(self._pairs.take(neighbours, 0), 0)
        total *= 1.0 / math.sqrt(len(stretch))
        total += self._table.bias
        return total

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
        return np.asarray(np.array(weights, np.float32) @ self._weights[list(buckets)], dtype=np.float32)
