"""Runs labelled conversations through the engine, each by itself, as `jaga check` would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Literal

from jaga.assessment import LEVELS, Assessor, Model
from jaga.evaluate._data import ZONE, Scenario
from jaga.evaluate._metrics import Verdict
from jaga.signals import Detector
from jaga.signals.encoder import Reader

__all__ = ["judge", "judge_one"]

_CONCERN = LEVELS.index("concern")


def judge(
    scenarios: Iterable[Scenario],
    *,
    model: Model | None = None,
    detectors: Sequence[Detector] | None = None,
    encoder: Reader | Literal["shipped"] | None = "shipped",
) -> Iterator[Verdict]:
    """Yield one verdict per conversation: its worst relationship, and when that was first told."""
    for scenario in scenarios:
        yield judge_one(scenario, model=model, detectors=detectors, encoder=encoder)


def judge_one(
    scenario: Scenario,
    *,
    model: Model | None = None,
    detectors: Sequence[Detector] | None = None,
    zone: tzinfo = ZONE,
    encoder: Reader | Literal["shipped"] | None = "shipped",
) -> Verdict:
    """The verdict on one conversation. `zone`: the child's, for night hours."""
    identifier = scenario.conversation.id
    assessor = Assessor(
        (scenario.label.child,),
        zone,
        conversations={identifier: scenario.conversation},
        model=model,
        detectors=detectors,
        encoder=encoder,
    )
    alert: int | None = None
    for position, message in enumerate(scenario.messages):
        risen = assessor.observe(message)
        if alert is None and risen is not None and LEVELS.index(risen.level) >= _CONCERN:
            alert = position
    found = list(assessor.assessments())
    worst = found[0] if found else None
    return Verdict(
        conversation=identifier,
        language=scenario.label.language,
        risk=scenario.label.risk,
        score=max((one.score for one in found), default=0.0),
        level=worst.level if worst is not None else "none",
        risk_type=worst.risk_type if worst is not None else None,
        messages=len(scenario.messages),
        onset=scenario.label.onset,
        alert=alert,
    )
