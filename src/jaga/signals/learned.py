"""Hears tactics by what it learned from examples (tools/train.py): the ear for wordings no pattern foresaw.

A linear model per tactic over two kinds of pieces: hashed words, pairs and parts of words (pieces.py), strong on SMS spelling; and
the meaning of whole words, as a multilingual sentence encoder sees them, so that a word never met in the examples is heard
like its neighbours. A linear model over word vectors is one weight per word and tactic: that is what ships, not the vectors.
Three roles have weights of their own: the message, the same author's last one, and the other side's last one.

Two more columns learn the tone of a whole conversation: how a contact writes, and how a child answers, in risky conversations
against safe ones. Tone is no evidence by itself; it moves the judgement of what was heard (assessment/_relationship.py).

What it misses: what is said over more than three messages, pictures and voice, and ways of talking unlike those it learned from.
"""

from __future__ import annotations

import functools
import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from importlib import resources
from io import BytesIO
from itertools import pairwise
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from jaga.errors import CatalogueError
from jaga.records import Message
from jaga.signals._base import ACTORS, ALONE, Actor, Before, Signal
from jaga.signals.catalogue import load_catalogue
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import BUCKETS, MASK, PAIR, chunks, is_han, parts, triples, words

__all__ = ["GROUP", "ROLES", "Learned", "Table", "key", "load_table", "meant"]

# Columns after the tactics.
TONES = ("tone:contact", "tone:child")
# Weights of the message itself, of the same author's last message, of the other side's last message.
ROLES = ("own", "previous", "other")
# Log-odds of a tactic outside this range say no more about the tone than its ends.
LOWEST, HIGHEST = -4.0, 3.0
# Signals of this ear belong to no group of the tactic's definition.
GROUP = "learned"
# Below this probability it says nothing.
HEARD = 0.25
# Words whose rows are kept at hand; when full they are all let go, so memory stays bounded.
_KEPT_WORDS = 50_000
# Texts whose odds are kept; a message may be long, so there are few.
_KEPT_TEXTS = 8_192


def key(word: str) -> int:
    """The 64-bit number a word goes by in the table of meanings."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def meant(found: Sequence[str]) -> list[str]:
    """What is looked up in the table of meanings: the words, and neighbouring Han characters as one."""
    looked = list(found)
    if max(found, default="") >= "\u3400":
        looked += [one + other for one, other in pairwise(found) if is_han(one) and is_han(other)]
    return looked


class Table:
    """The model, C columns: the tactics, then `TONES`; R roles.

    `weights` (BUCKETS, R * C) int8 with one scale per column; `keys` (W,) uint64, sorted, and `meanings` (W, R * C) int8 with one
    scale per column; `bias` (C,) in log-odds. `tone` (2, C + 1): weights that turn the log-odds of one message of a contact (row 0)
    or a child (row 1) into its tone, the last one added as it is.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        weights: NDArray[np.int8],
        scale: NDArray[np.float32],
        keys: NDArray[np.uint64],
        meanings: NDArray[np.int8],
        meaning_scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        tone: NDArray[np.float32],
    ) -> None:
        self.columns = columns
        self.tactics = columns[: -len(TONES)]
        self.weights = weights
        self.scale = scale
        self.keys = keys
        self.meanings = meanings
        self.meaning_scale = meaning_scale
        self.bias = bias
        self.tone = tone

    @classmethod
    def of(
        cls,
        columns: tuple[str, ...],
        weights: NDArray[np.float32],
        keys: NDArray[np.uint64],
        meanings: NDArray[np.float32],
        bias: NDArray[np.float32],
    ) -> Table:
        """Round full weights to the shipped precision. `keys` need not be sorted."""
        order = np.argsort(keys)
        rounded, scale = _rounded(weights)
        rounded_meanings, meaning_scale = _rounded(meanings[order])
        return cls(
            columns,
            rounded,
            scale,
            keys[order],
            rounded_meanings,
            meaning_scale,
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
            keys=self.keys,
            meanings=self.meanings,
            meaning_scale=self.meaning_scale,
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
                    stored["keys"],
                    stored["meanings"],
                    stored["meaning_scale"],
                    stored["bias"],
                    stored["tone"],
                )
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise CatalogueError(f"is not a table of weights: {error}", where=where, remedy="run make model") from error
        wide = len(ROLES) * len(table.columns)
        if (
            table.columns[-2:] != TONES
            or table.weights.shape != (BUCKETS, wide)
            or table.meanings.shape != (len(table.keys), wide)
        ):
            raise CatalogueError("has the wrong shape", where=where, remedy="run make model")
        return table


def _rounded(full: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = np.maximum(np.abs(full).max(axis=0, initial=0.0), 1e-6) / 127.0
    return np.rint(full / scale).astype(np.int8), scale.astype(np.float32)


class _Known:
    """Words met and their rows. Readers need no lock: a row is written before its word is, and what was written never changes."""

    __slots__ = ("at", "heads", "rows", "tails")

    def __init__(self, wide: int) -> None:
        self.at: dict[str, int] = {}
        # For the buckets of neighbours: of each word the checksum it begins with, and the bytes it ends with.
        self.heads: list[int] = []
        self.tails: list[bytes] = []
        self.rows = np.zeros((1024, wide), np.float32)


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
        self._normalise = load_lexicon().normalise
        tactics = self._table.tactics
        self._wide = len(self._table.columns)
        # Per speaker and column: from where it is heard. What the speaker cannot do is never heard, nor is a tone.
        bar = math.log(heard / (1.0 - heard))
        self._bars: dict[Actor, NDArray[np.float32]] = {
            actor: np.array(
                [bar if catalogue.tactics[tactic].by in (actor, "anyone") else np.inf for tactic in tactics]
                + [np.inf] * len(TONES),
                np.float32,
            )
            for actor in ACTORS
        }
        self._lowest = np.array([LOWEST] * len(tactics) + [-np.inf] * len(TONES), np.float32)
        self._highest = np.array([HIGHEST] * len(tactics) + [np.inf] * len(TONES), np.float32)
        self._weights = self._table.weights * self._table.scale
        self._pairs = self._weights * np.float32(PAIR)
        self._known = _Known(self._weights.shape[1])
        # Engines of many threads share one ear; only who learns a word waits.
        self._learning = threading.Lock()
        # As the lexicon does: "ok" and "haha" are most of any chat, and every message is asked for three times.
        self._roles = functools.lru_cache(maxsize=_KEPT_TEXTS)(self._roles_of)
        self._tone: dict[Actor, tuple[NDArray[np.float32], float]] = {
            "contact": (self._table.tone[0, :-1], float(self._table.tone[0, -1])),
            "child": (self._table.tone[1, :-1], float(self._table.tone[1, -1])),
        }

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield one signal per tactic of the speaker's kind whose probability is high enough."""
        yield from self.listen(message, by, ALONE)[0]

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        """The same, knowing what stood before; and the tone."""
        odds = self.odds(message.text, before)
        if odds is None:
            return [], None
        found: list[Signal] = []
        heard = odds >= self._bars[by]
        # Asked of the bytes: NumPy takes ten times as long to say so of thirty truths.
        if b"\1" in heard.tobytes():
            identifier = (message.id,)
            found = [
                Signal(
                    tactic=self._table.tactics[column],
                    group=GROUP,
                    by=by,
                    strength=round(1.0 / (1.0 + math.exp(-float(odds[column]))), 4),
                    messages=identifier,
                    detector=self.name,
                )
                for column in np.flatnonzero(heard)
            ]
        weights, shift = self._tone[by]
        np.minimum(odds, self._highest, out=odds)
        np.maximum(odds, self._lowest, out=odds)
        return found, float(odds.dot(weights)) + shift

    def odds(self, text: str, before: Before = ALONE) -> NDArray[np.float32] | None:
        """Log-odds per column (columns,); None if the text says nothing."""
        own = self._roles(text)
        if own is None:
            return None
        odds: NDArray[np.float32] = own[0] + self._table.bias
        if before.previous is not None:
            added = self._roles(before.previous.text)
            if added is not None:
                odds += added[1]
        if before.other is not None:
            added = self._roles(before.other.text)
            if added is not None:
                odds += added[2]
        return odds

    def _roles_of(self, text: str) -> tuple[NDArray[np.float32], ...] | None:
        """What a text adds in each role, (columns,) each; None if it says nothing.

        Of a long text the message itself counts by its most telling stretch, what it lends to others by its first.
        """
        found = words(self._normalise(text))
        if not found:
            return None
        stretches = chunks(found)
        first = self._added(next(stretches))
        wide = self._wide
        own = first[:wide]
        for stretch in stretches:
            own = np.maximum(own, self._added(stretch)[:wide])
        return own, first[wide : 2 * wide], first[2 * wide :]

    def _added(self, stretch: list[str]) -> NDArray[np.float32]:
        looked = stretch if max(stretch) < "\u3400" else meant(stretch)
        known = self._known
        try:
            at = [known.at[word] for word in looked]
        except KeyError:
            known, at = self._learn(looked)
        # Asked for after the places are known: another thread may have replaced a smaller table by a larger one.
        total: NDArray[np.float32] = np.add.reduce(known.rows.take(at, 0), 0)
        if len(stretch) == 1:
            # Alone, it has no neighbours, and it is its own mean.
            return total
        heads, tails = known.heads, known.tails
        # As pieces.pairs, without joining and encoding the words anew each time.
        neighbours = [crc32(tails[other], heads[one]) & MASK for one, other in pairwise(at[: len(stretch)])]
        if looked is not stretch:
            neighbours += triples(stretch)
        if neighbours:
            total += np.add.reduce(self._pairs.take(neighbours, 0), 0)
        total *= 1.0 / math.sqrt(len(stretch))
        return total

    def _learn(self, looked: list[str]) -> tuple[_Known, list[int]]:
        """Where the words stand, those never met included."""
        with self._learning:
            known = self._known
            if len(known.at) > _KEPT_WORDS:
                # A new one, never the old one emptied: another thread may be about to read from it.
                known = self._known = _Known(self._weights.shape[1])
            for word in looked:
                if word not in known.at:
                    place = len(known.at)
                    if place >= len(known.rows):
                        known.rows = np.concatenate([known.rows, np.zeros_like(known.rows)])
                    known.rows[place] = self._row(word)
                    raw = word.encode("utf-8", "surrogatepass")
                    known.heads.append(crc32(raw))
                    known.tails.append(b"_" + raw)
                    known.at[word] = place
            return known, [known.at[word] for word in looked]

    def _row(self, word: str) -> NDArray[np.float32]:
        table = self._table
        row = np.zeros(self._weights.shape[1], np.float32)
        # Two Han characters are looked up for their meaning alone: as a pair they are counted already.
        if not (is_han(word) and len(word) > 1):
            buckets, weights = zip(*parts(word), strict=True)
            row += np.array(weights, np.float32) @ self._weights[list(buckets)]
        number = np.uint64(key(word))
        at = int(np.searchsorted(table.keys, number))
        if at < len(table.keys) and table.keys[at] == number:
            row += table.meanings[at] * table.meaning_scale
        return row
