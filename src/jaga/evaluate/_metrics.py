"""The figures: plain arithmetic over verdicts. Sources are named where a figure is not textbook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from jaga.assessment._reliability import wilson

__all__ = ["Bin", "Figures", "Verdict", "auc", "figures", "penalty"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What Jaga said about one labelled conversation."""

    conversation: str
    language: str
    risk: str
    score: float
    level: str
    risk_type: str | None
    messages: int
    onset: int | None
    # Position of the message at which `concern` was first reached; None if never.
    alert: int | None

    @property
    def risky(self) -> bool:
        """As labelled."""
        return self.risk != "none"


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the reliability curve."""

    low: float
    high: float
    count: int
    mean_score: float
    risky: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured over one set. None: not defined on this set (no risky, no safe, nothing told)."""

    safe: int
    risky: int
    # Of safe conversations: told (level `concern` or above).
    false_alarms: float | None
    recall: float | None
    precision: float | None
    # F with precision weighing twice as much as recall.
    f_half: float | None
    f_one: float | None
    roc_auc: float | None
    # Share of the risky ones scored above all but 1 % of the safe ones.
    recall_at_1_percent: float | None
    # Messages from onset to the telling; told before onset counts 0. Over the risky ones that were told.
    median_delay: float | None
    # F1 weighted by speed: Sadeque, Xu and Bethard (2018), Measuring the latency of depression detection.
    f_latency: float | None
    # 95 % Wilson intervals (low, high).
    recall_interval: tuple[float, float] | None
    false_alarm_interval: tuple[float, float] | None
    # Mean squared error of the score as a probability, and the expected calibration error over the bins.
    brier: float | None
    calibration_error: float | None
    reliability: tuple[Bin, ...]


def figures(verdicts: Iterable[Verdict]) -> Figures:
    """Compute the figures of a set. Never raises on an empty one: what is undefined is None."""
    every = list(verdicts)
    risky = [one for one in every if one.risky]
    safe = [one for one in every if not one.risky]
    hits = [one for one in risky if one.alert is not None]
    false = [one for one in safe if one.alert is not None]
    precision = len(hits) / (len(hits) + len(false)) if hits or false else None
    recall = len(hits) / len(risky) if risky else None
    delays = [max(0, _at(one.alert) - (one.onset or 0)) for one in hits]
    f_one = _f(precision, recall, 1.0)
    bins = _reliability(every)
    return Figures(
        safe=len(safe),
        risky=len(risky),
        false_alarms=len(false) / len(safe) if safe else None,
        recall=recall,
        precision=precision,
        f_half=_f(precision, recall, 0.5),
        f_one=f_one,
        roc_auc=auc([one.score for one in risky], [one.score for one in safe]),
        recall_at_1_percent=_recall_at(risky, safe, 0.01),
        median_delay=float(median(delays)) if delays else None,
        f_latency=_f_latency(f_one, delays, risky),
        recall_interval=wilson(len(hits), len(risky)),
        false_alarm_interval=wilson(len(false), len(safe)),
        brier=sum((one.score - one.risky) ** 2 for one in every) / len(every) if every else None,
        calibration_error=sum(step.count * abs(step.mean_score - step.risky) for step in bins) / len(every)
        if every
        else None,
        reliability=bins,
    )


def _at(alert: int | None) -> int:
    assert alert is not None
    return alert


def auc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """Area under the ROC curve: how often a risky one scores above a safe one, ties counting a half (Mann-Whitney U)."""
    if not positive or not negative:
        return None
    ranked = sorted([(score, True) for score in positive] + [(score, False) for score in negative])
    total = 0.0
    below = start = 0
    while start < len(ranked):
        end = start
        while end < len(ranked) and ranked[end][0] == ranked[start][0]:
            end += 1
        same_positive = sum(1 for _, is_positive in ranked[start:end] if is_positive)
        same_negative = end - start - same_positive
        total += same_positive * (below + same_negative / 2)
        below += same_negative
        start = end
    return total / (len(positive) * len(negative))


def penalty(delay: int, half: float) -> float:
    """Cost of learning `delay` messages late, 0 to 1; a half at `half` messages (Sadeque et al. 2018, eq. 3)."""
    rate = math.log(3) / max(1.0, half)
    return -1.0 + 2.0 / (1.0 + math.exp(-rate * delay))


def _f(precision: float | None, recall: float | None, beta: float) -> float | None:
    if recall is None:
        return None
    if not precision or not recall:
        return 0.0
    square = beta * beta
    return (1 + square) * precision * recall / (square * precision + recall)


def _f_latency(f_one: float | None, delays: Sequence[int], risky: Sequence[Verdict]) -> float | None:
    if f_one is None or not risky:
        return None
    if not delays:
        return 0.0
    # As in the paper: late by the median length of a risky conversation costs a half.
    half = median(one.messages for one in risky)
    return f_one * (1.0 - median(penalty(delay, half) for delay in delays))


def _recall_at(risky: Sequence[Verdict], safe: Sequence[Verdict], share: float) -> float | None:
    if not risky or not safe:
        return None
    allowed = int(len(safe) * share)
    bar = sorted((one.score for one in safe), reverse=True)[allowed]
    return sum(one.score > bar for one in risky) / len(risky)


def _reliability(every: Sequence[Verdict], steps: int = 10) -> tuple[Bin, ...]:
    binned: dict[int, list[Verdict]] = {}
    for one in every:
        binned.setdefault(min(steps - 1, int(one.score * steps)), []).append(one)
    return tuple(
        Bin(
            low=number / steps,
            high=(number + 1) / steps,
            count=len(members),
            mean_score=sum(one.score for one in members) / len(members),
            risky=sum(one.risky for one in members) / len(members),
        )
        for number, members in sorted(binned.items())
    )
