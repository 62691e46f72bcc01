"""What was made fast gives the answers of the plain way of doing it, on the words of real evaluation conversations."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaga.evaluate import load_scenarios
from jaga.signals import Before
from jaga.signals.learned import Learned, load_table, meant
from jaga.signals.lexicon import load_lexicon
from jaga.signals.normalise import _APOSTROPHES, _QUESTION, _SYMBOL_LETTER
from jaga.signals.pieces import PAIR, chunks, pairs, words

DEV = Path(__file__).parents[2] / "evaluation" / "dev"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Every fourth message, of every language."""
    return [message.text for one in load_scenarios([DEV]) for message in one.messages][::4]


class Plain:
    """The learned ear without a memory: rows are made anew, pairs are written out, each text is taken apart each time."""

    def __init__(self) -> None:
        self.table = load_table()
        self.weights = self.table.weights * self.table.scale
        self.ear = Learned()

    def roles(self, text: str) -> list[NDArray[np.float32]] | None:
        found = words(load_lexicon().normalise(text))
        if not found:
            return None
        wide = len(self.table.columns)
        added = [self.added(stretch) for stretch in chunks(found)]
        own = np.max([one[:wide] for one in added], axis=0)
        return [own, added[0][wide : 2 * wide], added[0][2 * wide :]]

    def added(self, stretch: list[str]) -> NDArray[np.float32]:
        total = np.sum([self.ear._row(word) for word in meant(stretch)], axis=0, dtype=np.float32)
        neighbours = pairs(stretch)
        if neighbours:
            total = total + np.sum(self.weights[neighbours] * np.float32(PAIR), axis=0, dtype=np.float32)
        return np.asarray(total * np.float32(1.0 / math.sqrt(len(stretch))))

    def odds(self, text: str, previous: str, other: str) -> NDArray[np.float32] | None:
        own, said, answered = self.roles(text), self.roles(previous), self.roles(other)
        if own is None:
            return None
        total = own[0] + self.table.bias
        if said is not None:
            total = total + said[1]
        if answered is not None:
            total = total + answered[2]
        return total


def test_the_learned_ear_hears_as_the_plain_one(texts: list[str]) -> None:
    from tests.signals.test_learned import message

    assert len(texts) > 1_000
    plain, fast = Plain(), Learned()
    for other, previous, text in zip(texts, texts[1:], texts[2:], strict=False):
        wanted = plain.odds(text, previous, other)
        found = fast.odds(text, Before(previous=message(previous), other=message(other)))
        if wanted is None or found is None:
            assert wanted is found, text
        else:
            assert np.array_equal(found, wanted), text


# What normalising leaves out when a text holds no such character must have nothing to do.
@given(st.text())
@example("h@ha $oon w!th")
@example("what？？")
def test_expressions_are_left_out_only_where_they_find_nothing(text: str) -> None:
    if not set(text) & set("!@$"):
        assert _SYMBOL_LETTER.search(text) is None
    if not set(text) & set("?？"):
        assert _QUESTION.search(text) is None


@given(st.text(alphabet=st.characters(max_codepoint=127)))
@example("don't `x`")
def test_the_short_way_with_apostrophes_is_the_long_one(text: str) -> None:
    assert text.replace("'", "").replace("`", "") == text.translate(_APOSTROPHES)
