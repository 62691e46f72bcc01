"""Where an expression is not even tried, it would have found nothing."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from jaga.evaluate import load_scenarios
from jaga.signals.kinship import _CALLED, _may_call
from jaga.signals.normalise import _STRETCHED, _THREE

DEV = Path(__file__).parents[2] / "evaluation" / "dev"

CALLS = ("ma", "Gong Gong", "ok", "alah", "papa", " ", ",", "!", "\n", "~", "see you", "kan", "妈", "❤", "ſ")


@given(st.text() | st.lists(st.sampled_from(("a", "aa", "ி", "\n", " ", "é"))).map("".join))
@example("sooooo")
@example("ிிி")
def test_what_is_not_there_three_times_is_not_stretched(text: str) -> None:
    if _THREE.search(text) is None:
        assert _STRETCHED.search(text) is None


@given(st.text() | st.lists(st.sampled_from(CALLS), max_size=6).map("".join))
@example("coming home now, Ah Ma!!\n")
@example("ok ma, later")
def test_a_parent_is_called_nowhere_that_is_not_looked_at(text: str) -> None:
    if not _may_call(text):
        assert _CALLED.search(text) is None


def test_most_messages_are_seen_at_a_glance_to_call_nobody() -> None:
    texts = [message.text for one in load_scenarios([DEV]) for message in one.messages if message.text.isascii()]
    assert sum(map(_may_call, texts)) < 0.2 * len(texts)
    assert all(map(_may_call, ("ok ma, later", "coming home now, Ah Ma!!\n", "dad", "ya abah?")))
