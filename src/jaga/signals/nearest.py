"""Which known example of a tactic a message is closest to: for showing why, never for judging.

Both are cut into the pieces the learned ear counts (words, pairs and parts of words: pieces.py), weighed by how rare they are among all
examples, and compared by their cosine. That is likeness of wording. It finds no paraphrase, so below a likeness nothing is shown: better no example
than one that has nothing to do with it (python -m tools.nearest measures it).
"""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from jaga.signals.catalogue import Catalogue, load_catalogue
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import PAIR, chunks, pairs, parts, words

__all__ = ["CLOSE", "Near", "Prototypes", "load_prototypes"]

# Likeness from which an example is shown.
CLOSE = 0.2


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """The example of a tactic that is closest to a message."""

    tactic: str
    language: str
    text: str
    # Cosine, 0 to 1.
    likeness: float


class Prototypes:
    """The examples of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._normalise = load_lexicon().normalise
        self._texts = [
            (tactic, language, text)
            for (tactic, language), said in sorted(catalogue.phrases.items())
            for text in said.prototypes
        ]
        counted = [self._pieces(words(self._normalise(text))) for _, _, text in self._texts]
        found: Counter[int] = Counter(piece for pieces in counted for piece in pieces)
        self._rare = {piece: math.log((len(counted) + 1) / (count + 0.5)) for piece, count in found.items()}
        # What no example has is the rarest.
        self._unknown = math.log((len(counted) + 1) / 0.5)
        # Piece to (example, weight).
        self._having: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for at, pieces in enumerate(counted):
            for piece, weight in self._weighed(pieces).items():
                self._having[piece].append((at, weight))

    def nearest(self, text: str, tactic: str | None = None, *, least: float = CLOSE) -> Near | None:
        """The closest example of a tactic (None: of any), if its likeness is at least `least`. Of equals the first.

        Of a long text the stretch that is closest counts.
        """
        best, likest = -1, 0.0
        for stretch in chunks(words(self._normalise(text))):
            likeness: dict[int, float] = defaultdict(float)
            for piece, weight in self._weighed(self._pieces(stretch)).items():
                for at, other in self._having.get(piece, ()):
                    likeness[at] += weight * other
            for at, value in likeness.items():
                if (tactic is None or self._texts[at][0] == tactic) and (value, -at) > (likest, -best):
                    best, likest = at, value
        if best < 0 or likest < least:
            return None
        name, language, example = self._texts[best]
        return Near(tactic=name, language=language, text=example, likeness=round(min(1.0, likest), 4))

    @staticmethod
    def _pieces(found: Sequence[str]) -> dict[int, float]:
        counted: dict[int, float] = defaultdict(float)
        for word in found:
            for piece, weight in parts(word):
                counted[piece] += weight
        for piece in pairs(list(found)):
            counted[piece] += PAIR
        return counted

    def _weighed(self, pieces: Mapping[int, float]) -> dict[int, float]:
        weighed = {piece: count * self._rare.get(piece, self._unknown) for piece, count in pieces.items()}
        length = math.sqrt(sum(weight * weight for weight in weighed.values()))
        return {piece: weight / length for piece, weight in weighed.items()} if length else {}


@functools.cache
def load_prototypes() -> Prototypes:
    """The examples of the catalogue that ships; made when first asked for."""
    return Prototypes(load_catalogue())
