"""The public interface of Roblox Sentinel (https://github.com/Roblox/Sentinel, README and docstrings of 2025) over Jaga's engine.

    from jaga.adapters.sentinel import SentinelLocalIndex    # was: from sentinel.sentinel_local_index import ...

    index = SentinelLocalIndex.load(path="anything")
    result = index.calculate_rare_class_affinity(recent_messages_of_one_user)

The calls and the fields of the result are the same; three things are not, and no adapter can hide them:

- There is no index. What Jaga hears is in its catalogue, so nothing is read from or written to `path`, and embeddings of your
  own examples are refused rather than ignored.
- `rare_class_affinity_score` is Jaga's score of the relationship, 0 to 1, instead of a skewness: a threshold must be chosen anew. It does
  not need ten messages, and few messages are not zero risk. With `aggregation_function` given, that function is applied to
  the observation scores, as Sentinel does.
- An observation's score is the strength, 0 to 1, of the clearest tactic of a contact in that message, read after the ones before it.

The messages are taken as one contact's, in time order, to a child whose answers are not known. Who has both sides and the times should
use `jaga.Engine`, which hears more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaga.assessment import COMPACT, Assessment, Assessor
from jaga.errors import UsageError
from jaga.records import Message
from jaga.signals import Actor, Before, Signal
from jaga.signals.catalogue import load_catalogue

__all__ = ["Observation", "RareClassAffinityResult", "SentinelLocalIndex"]

_CHILD, _CONTACT, _TALK = "child", "contact", "talk"
# No night, no pause: times are not known and must not speak.
_NOON = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
_APART = timedelta(seconds=1)


@dataclass(frozen=True)
class Observation:
    """One message, in the order given: Sentinel's scores are keyed by text, so a line said twice is one there."""

    text: str
    score: float
    # (tactic, strength), the clearest first.
    tactics: tuple[tuple[str, float], ...]


@dataclass
class RareClassAffinityResult:
    """Sentinel's result, and what Jaga can say beyond it: `assessment` and `observations`."""

    rare_class_affinity_score: float
    # Text to score; of a text given twice the higher one.
    observation_scores: dict[str, float]
    aggregation_name: str | None = None
    aggregation_stats: dict[str, Any] | None = None
    # Text to what was heard in it: {"tactics": {tactic: strength}}; None unless asked for.
    explanations: dict[str, dict[str, Any]] | None = None
    # None if no text was given.
    assessment: Assessment | None = None
    observations: tuple[Observation, ...] = field(default=())


class SentinelLocalIndex:
    """Scores the messages of one source. Holds nothing: one may serve every thread."""

    def __init__(
        self,
        sentence_model: object = None,
        positive_embeddings: object = None,
        negative_embeddings: object = None,
        scale_fn: object = None,
        encoding_additional_kwargs: Mapping[str, Any] | None = None,
        positive_corpus: Sequence[str] | None = None,
        negative_corpus: Sequence[str] | None = None,
        model_card: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises: UsageError, if given examples or a model of the caller's own, which Jaga would not use."""
        _refuse(
            sentence_model=sentence_model,
            positive_embeddings=positive_embeddings,
            negative_embeddings=negative_embeddings,
            scale_fn=scale_fn,
            encoding_additional_kwargs=encoding_additional_kwargs or None,
            positive_corpus=positive_corpus,
            negative_corpus=negative_corpus,
        )
        self.model_card = model_card
        self._by = {name: tactic.by for name, tactic in load_catalogue().tactics.items()}

    @classmethod
    def load(
        cls,
        path: str,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        negative_to_positive_ratio: float | None = 5.0,
        cache_model: bool = False,
    ) -> SentinelLocalIndex:
        """An index. Nothing is read from `path`; the other arguments are taken so that calls need not change, and do nothing."""
        return cls()

    def calculate_rare_class_affinity(
        self,
        text_samples: Sequence[str],
        top_k: int = 5,
        similarity_formula: Callable[..., float] | None = None,
        aggregation_function: Callable[[NDArray[np.float64]], float] | None = None,
        min_score_to_consider: float = 0.1,
        prevent_exact_match: bool = False,
        encoding_additional_kwargs: Mapping[str, Any] | None = None,
        show_progress_bar: bool = False,
        explain: bool = True,
        include_neighbors: bool = True,
        neighbors_limit: int = 5,
    ) -> RareClassAffinityResult:
        """How much one source's recent messages, in time order, look like luring a child.

        Observation scores below `min_score_to_consider` become 0. `top_k`, `prevent_exact_match`, `show_progress_bar` and the neighbours
        belong to a search among examples and do nothing. Raises: UsageError, if given a formula or settings for embeddings.
        """
        _refuse(similarity_formula=similarity_formula, encoding_additional_kwargs=encoding_additional_kwargs or None)
        assessor = _Noting(self._by)
        observations: list[Observation] = []
        for number, text in enumerate(text_samples):
            assessor.heard = {}
            assessor.observe(
                Message(
                    conversation=_TALK,
                    author=_CONTACT,
                    sent_at=_NOON + number * _APART,
                    text=text,
                    platform="",
                    nth=number,
                )
            )
            tactics = tuple(sorted(assessor.heard.items(), key=lambda pair: (-pair[1], pair[0])))
            score = tactics[0][1] if tactics else 0.0
            observations.append(Observation(text, score if score >= min_score_to_consider else 0.0, tactics))
        assessment = next(assessor.assessments(), None)
        scores: dict[str, float] = {}
        explanations: dict[str, dict[str, Any]] = {}
        for one in observations:
            if one.score >= scores.get(one.text, 0.0):
                scores[one.text] = one.score
                explanations[one.text] = {"tactics": dict(one.tactics)}
        if aggregation_function is not None and scores:
            overall, name = float(aggregation_function(np.array(list(scores.values())))), _called(aggregation_function)
        else:
            overall, name = (assessment.score if assessment is not None else 0.0), "jaga"
        return RareClassAffinityResult(
            rare_class_affinity_score=overall,
            observation_scores=scores,
            aggregation_name=name,
            aggregation_stats={
                "num_texts": len(text_samples),
                "num_positive_scores": sum(score > 0 for score in scores.values()),
                "min_score_to_consider": min_score_to_consider,
            },
            explanations=explanations if explain else None,
            assessment=assessment,
            observations=tuple(observations),
        )


class _Noting(Assessor):
    """An assessor that notes which tactics of a contact it heard in the last message, and how clearly."""

    def __init__(self, by: Mapping[str, str]) -> None:
        super().__init__((_CHILD,), timezone.utc, keep=COMPACT)
        self.heard: dict[str, float] = {}
        self._by = by

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        signals, tone = super().listen(message, by, before)
        for signal in signals:
            if self._by.get(signal.tactic) == "contact":
                self.heard[signal.tactic] = max(self.heard.get(signal.tactic, 0.0), signal.strength)
        return signals, tone


def _refuse(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"{name} has no meaning here", remedy="see jaga.adapters.sentinel: Jaga compares with no examples"
            )


def _called(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", function))
