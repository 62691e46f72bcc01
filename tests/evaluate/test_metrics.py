from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.evaluate import Verdict, auc, figures, penalty


def verdict(*, risky: bool, score: float, alert: int | None = None, onset: int = 5) -> Verdict:
    return Verdict(
        conversation=f"{risky}{score}{alert}",
        language="en",
        risk="grooming" if risky else "none",
        score=score,
        level="concern" if alert is not None else "none",
        risk_type=None,
        messages=20,
        onset=onset if risky else None,
        alert=alert,
    )


def test_figures_by_hand() -> None:
    found = figures(
        [
            verdict(risky=True, score=0.9, alert=7),
            verdict(risky=True, score=0.8, alert=3),  # told before onset: no delay
            verdict(risky=True, score=0.3),
            verdict(risky=True, score=0.2),
            verdict(risky=False, score=0.85, alert=2),
            verdict(risky=False, score=0.1),
        ]
    )
    assert (found.risky, found.safe) == (4, 2)
    assert found.recall == 0.5
    assert found.false_alarms == 0.5
    assert found.precision == pytest.approx(2 / 3)
    assert found.f_half == pytest.approx(1.25 * (2 / 3) * 0.5 / (0.25 * 2 / 3 + 0.5))
    assert found.median_delay == 1.0
    # Pairs (risky, safe): 0.9 beats both, 0.8, 0.3 and 0.2 beat one each.
    assert found.roc_auc == pytest.approx(5 / 8)
    assert found.recall_at_1_percent == pytest.approx(1 / 4)
    assert found.f_latency is not None
    assert found.f_one is not None
    assert 0 < found.f_latency < found.f_one


def test_an_empty_set_has_no_figures() -> None:
    found = figures([])
    assert found.roc_auc is None
    assert found.recall is None
    assert found.median_delay is None


def test_penalty_is_a_half_where_it_says() -> None:
    assert penalty(0, 20) == 0.0
    assert penalty(20, 20) == pytest.approx(0.5)
    assert penalty(10_000, 20) == pytest.approx(1.0)


scores = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30)


@given(scores, scores)
def test_auc_is_the_share_of_pairs(positive: list[float], negative: list[float]) -> None:
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    found = auc(positive, negative)
    assert found is not None
    assert math.isclose(found, sum(pairs) / len(pairs), abs_tol=1e-9)
