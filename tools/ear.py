"""Learns the table of the learned ear (src/jaga/signals/learned.py): examples in, one linear model per tactic and tone out.

What it learns from: the catalogue's prototypes and counter-examples, each by itself; and labelled conversations, every message in
its place, the risky ones by the tactics marked in them, the safe ones as further examples of nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.optimize import minimize

from jaga.assessment import Threads
from jaga.evaluate import Scenario
from jaga.signals import ALONE, Before
from jaga.signals.catalogue import load_catalogue
from jaga.signals.learned import ROLES, TONES, Table, key, meant
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import BUCKETS, PAIR, chunks, pairs, parts, words

__all__ = ["Marks", "Meanings", "befores", "learn_ear"]

# Tactics by (conversation, message position), as marked in the risky conversations.
Marks = dict[tuple[str, int], set[str]]
Floats = NDArray[np.float64]

# Ridge of the ear, in units of one example; and weights of its kinds of example. Chosen out of fold.
RIDGE = 0.2
POSITIVE, COUNTER, OTHER, ORDINARY, ANNOTATED = 6.0, 4.0, 0.5, 1.0, 6.0
TONE = 5.0
# What everyday talk counts beside labelled conversations: strangers may well ask each other's age.
EVERYDAY = 0.4
# How large the pieces and the meanings of each role are before the ridge pulls on all alike: what stood before tells less.
PIECES = {"own": 1.0, "previous": 0.4, "other": 0.4}
MEANT = {"own": 1.0, "previous": 0.5, "other": 0.5}
ITERATIONS = 80
BRIEF = re.compile(r"[rs]\d+")


class Meanings:
    """The word vectors that tools/vocabulary.py made."""

    def __init__(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as stored:
            self.words: list[str] = stored["words"].tolist()
            self.vectors = stored["vectors"].astype(np.float32)
        self._at = {word: at for at, word in enumerate(self.words)}

    def rows(self, found: Sequence[str]) -> list[int]:
        """Which vectors the words of a stretch have."""
        return [self._at[word] for word in meant(found) if word in self._at]


def befores(scenario: Scenario) -> list[Before]:
    """What stood before each message, as the assessor sees it."""
    threads = Threads()
    child = scenario.label.child
    return [threads.before(message, "child" if message.author == child else "contact") for message in scenario.messages]


class _Rows:
    """Texts as rows: hashed pieces (sparse) and the sum of their meanings, both by the square root of their words."""

    def __init__(self, texts: Sequence[str], meanings: Meanings) -> None:
        normalise = load_lexicon().normalise
        self.at: dict[str, int] = {}
        starts, columns, values = [0], [], []
        meant_starts, meant_columns, meant_values = [0], [], []
        for text in texts:
            if text in self.at:
                continue
            self.at[text] = len(self.at)
            found = words(normalise(text))
            stretch = next(chunks(found)) if found else []
            scale = 1.0 / math.sqrt(len(stretch) or 1)
            for word in stretch:
                for bucket, weight in parts(word):
                    columns.append(bucket)
                    values.append(weight * scale)
            for bucket in pairs(stretch) if stretch else ():
                columns.append(bucket)
                values.append(PAIR * scale)
            starts.append(len(columns))
            rows = meanings.rows(stretch)
            meant_columns += rows
            meant_values += [scale] * len(rows)
            meant_starts.append(len(meant_columns))
        shape = (len(self.at), BUCKETS)
        self.pieces = sparse.csr_matrix((values, columns, starts), shape=shape, dtype=np.float32)
        looked = sparse.csr_matrix(
            (meant_values, meant_columns, meant_starts), shape=(len(self.at), len(meanings.words)), dtype=np.float32
        )
        self.meanings: NDArray[np.float32] = looked @ meanings.vectors


def learn_ear(
    scenarios: Sequence[Scenario], marks: Marks, meanings: Meanings, everyday: Sequence[Scenario] = ()
) -> Table:
    """One logistic model per tactic and per side's tone, all at once, with a ridge.

    `everyday`: talk that nobody looked through, taken as examples of nothing, but with less weight.
    """
    catalogue = load_catalogue()
    tactics = tuple(catalogue.tactics)
    by = [catalogue.tactics[tactic].by for tactic in tactics]
    # (text, previous, other) of each example.
    said: list[tuple[str, str | None, str | None]] = []
    labels: list[list[float]] = []
    weights: list[list[float]] = []
    number_of_labelled = len(scenarios)
    for (name, _), phrases in catalogue.phrases.items():
        for examples, true in ((phrases.prototypes, True), (phrases.counter_examples, False)):
            for text in examples:
                said.append((text, None, None))
                labels.append([float(true and tactic == name) for tactic in tactics] + [0.0, 0.0])
                strong = POSITIVE if true else COUNTER
                weights.append([strong if tactic == name else OTHER for tactic in tactics] + [0.0, 0.0])
    for scenario in chain(scenarios, everyday):
        risky = scenario.label.risky
        trust = 1.0 if number_of_labelled > 0 else EVERYDAY
        number_of_labelled -= 1
        annotated = any((scenario.conversation.id, number) in marks for number in range(len(scenario.messages)))
        # The safe briefs hold much that protects, and nobody marked it.
        marked = risky or not BRIEF.fullmatch(scenario.label.scenario)
        share = trust * TONE / math.sqrt(len(scenario.messages))
        for number, (message, before) in enumerate(zip(scenario.messages, befores(scenario), strict=True)):
            child = message.author == scenario.label.child
            done = marks.get((scenario.conversation.id, number), set())
            said.append((message.text, _text(before, "previous"), _text(before, "other")))
            tone = share if not risky or number >= (scenario.label.onset or 0) else 0.0
            labels.append([float(tactic in done) for tactic in tactics] + [float(risky), float(risky)])
            if risky and not annotated:
                own = [0.0] * len(tactics)
            else:
                own = [
                    # Safe talk may well refuse or complain: it only says what nobody did to the child.
                    ANNOTATED
                    if tactic in done
                    else trust * (ORDINARY if who == "contact" else ORDINARY / 3 if who == "child" or marked else 0.0)
                    for tactic, who in zip(tactics, by, strict=True)
                ]
            weights.append([*own, 0.0 if child else tone, tone if child else 0.0])
    rows = _Rows([text for text in chain.from_iterable(said) if text], meanings)
    hashed, vectors, bias = _logistic(rows, said, np.array(labels, np.float32), np.array(weights, np.float32))
    keys = np.array([key(word) for word in meanings.words], np.uint64)
    return Table.of((*tactics, *TONES), hashed, keys, meanings.vectors @ vectors, bias)


def _text(before: Before, role: str) -> str | None:
    message = getattr(before, role)
    return None if before is ALONE or message is None else message.text


def _logistic(
    rows: _Rows,
    said: Sequence[tuple[str | None, ...]],
    labels: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Weights of the pieces (BUCKETS, roles * columns) and of the vectors (numbers, roles * columns), and the bias (columns,).

    Full-batch L-BFGS: the same data give the same answer. A text is multiplied once for all roles it plays.
    """
    columns = labels.shape[1]
    wide = len(ROLES) * columns
    # Only pieces that occur can differ from zero.
    used = np.unique(rows.pieces.indices)
    pieces = rows.pieces[:, used].tocsr()
    turned = pieces.T.tocsr()
    vectors = rows.meanings
    played = []
    for role, _ in enumerate(ROLES):
        picked = [(row, rows.at[text]) for row, one in enumerate(said) if (text := one[role])]
        at = tuple(np.array(side) for side in zip(*picked, strict=True))
        played.append(sparse.csr_matrix((np.ones(len(picked), np.float32), at), shape=(len(said), len(rows.at))))
    back = [at.T.tocsr() for at in played]
    first, last = len(used), len(used) + vectors.shape[1]
    # A role that tells less is scaled down, so that the ridge pulls harder on it.
    piece_scale = np.repeat([PIECES[name] for name in ROLES], columns).astype(np.float32)
    vector_scale = np.repeat([MEANT[name] for name in ROLES], columns).astype(np.float32)

    def loss(flat: Floats) -> tuple[float, Floats]:
        solution = flat[: last * wide].reshape(last, wide).astype(np.float32)
        bias = flat[last * wide :].astype(np.float32)
        texts = pieces @ (solution[:first] * piece_scale) + vectors @ (solution[first:] * vector_scale)
        odds = bias + sum(
            at @ np.ascontiguousarray(texts[:, role * columns : (role + 1) * columns]) for role, at in enumerate(played)
        )
        chance = 1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30)))
        total = (weights * (np.logaddexp(0, odds) - labels * odds)).sum(dtype=float)
        total += RIDGE / 2 * float((solution**2).sum(dtype=float))
        pull = weights * (chance - labels)
        pulled = np.hstack([at @ pull for at in back])
        gradient = np.vstack([(turned @ pulled) * piece_scale, (vectors.T @ pulled) * vector_scale])
        gradient += RIDGE * solution
        return float(total), np.r_[gradient.ravel(), pull.sum(axis=0)].astype(float)

    start = np.r_[np.zeros(last * wide), np.full(columns, -3.0)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "maxcor": 5})
    solution = found.x[: last * wide].reshape(last, wide).astype(np.float32)
    hashed = np.zeros((BUCKETS, wide), np.float32)
    hashed[used] = solution[:first] * piece_scale
    return hashed, solution[first:] * vector_scale, found.x[last * wide :].astype(np.float32)
