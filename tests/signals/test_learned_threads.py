"""The learned ear is one for all engines of a process: threads that learn words at the same time must not hear each other's."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaga.signals import learned
from jaga.signals.learned import Learned


def test_many_threads_hear_what_one_hears_while_words_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    # A memory this small is emptied all the time, the hard case.
    monkeypatch.setattr(learned, "_KEPT_WORDS", 40)
    # Texts must not be remembered whole, or the words are not asked for.
    monkeypatch.setattr(learned, "_KEPT_TEXTS", 1)
    texts = [f"are you alone at home{number} with mum{number % 7} {chr(97 + number % 26) * 3}" for number in range(400)]
    ear = Learned()
    expected = [ear.odds(text) for text in texts]
    shared = Learned()
    barrier = threading.Barrier(8)

    def hear(part: int) -> list[str]:
        barrier.wait()
        wrong = []
        for turn in range(3):
            for number in range(len(texts)):
                at = (number * (part + 1) + turn) % len(texts)
                found, wanted = shared.odds(texts[at]), expected[at]
                if found is None or wanted is None or not np.array_equal(found, wanted):
                    wrong.append(texts[at])
        return wrong

    switched = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert [wrong for part in pool.map(hear, range(8)) for wrong in part] == []
    finally:
        sys.setswitchinterval(switched)
