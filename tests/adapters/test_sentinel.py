"""A program written against Sentinel runs over Jaga: the same calls, the same fields, and no pretence."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from jaga import Engine, Message
from jaga.adapters.sentinel import SentinelLocalIndex
from jaga.errors import UsageError

USUAL = ["hey how are you", "did you do the homework", "haha ok", "see you in class tomorrow"]
LURING = ["hey how are you", "are you home alone ?", "dont tell your mum", "send me a photo of you, just for me"]
# As their README and docstrings name them, in order (read in 2025).
LOAD = ["path", "aws_access_key_id", "aws_secret_access_key", "negative_to_positive_ratio", "cache_model"]
CALL = [
    *("text_samples", "top_k", "similarity_formula", "aggregation_function", "min_score_to_consider"),
    *("prevent_exact_match", "encoding_additional_kwargs", "show_progress_bar"),
    *("explain", "include_neighbors", "neighbors_limit"),
]


def test_the_calls_take_what_sentinels_take() -> None:
    assert list(inspect.signature(SentinelLocalIndex.load).parameters) == LOAD
    assert list(inspect.signature(SentinelLocalIndex.calculate_rare_class_affinity).parameters)[1:] == CALL


def test_the_readmes_program_runs_and_tells_the_two_apart() -> None:
    index = SentinelLocalIndex.load(path="path/to/local/index")
    usual, luring = (index.calculate_rare_class_affinity(texts) for texts in (USUAL, LURING))
    assert 0.0 <= usual.rare_class_affinity_score < 0.3 < luring.rare_class_affinity_score <= 1.0
    assert list(luring.observation_scores) == LURING
    assert luring.observation_scores["hey how are you"] == 0.0
    assert luring.observation_scores["dont tell your mum"] > 0.5
    assert luring.explanations is not None
    assert "secrecy" in luring.explanations["dont tell your mum"]["tactics"]
    assert luring.aggregation_stats == {"num_texts": 4, "num_positive_scores": 3, "min_score_to_consider": 0.1}


def test_the_score_is_the_engines() -> None:
    from datetime import datetime, timedelta, timezone

    engine = Engine(child="child", zone="+00:00")
    at = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
    for number, text in enumerate(LURING):
        engine.observe(
            Message(conversation="t", author="x", sent_at=at + timedelta(seconds=number), text=text, platform="p")
        )
    result = SentinelLocalIndex().calculate_rare_class_affinity(LURING)
    assert result.rare_class_affinity_score == engine.assessments()[0].score
    assert result.assessment is not None
    assert result.assessment.level == engine.assessments()[0].level


def test_a_line_said_twice_is_two_observations_and_keeps_its_higher_score() -> None:
    result = SentinelLocalIndex().calculate_rare_class_affinity(["hi", "dont tell your mum", "hi"])
    assert len(result.observation_scores) == 2
    assert [one.text for one in result.observations] == ["hi", "dont tell your mum", "hi"]


def test_an_aggregation_of_ones_own_gets_the_observation_scores() -> None:
    def biggest(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return float(scores.max())

    result = SentinelLocalIndex().calculate_rare_class_affinity(LURING, aggregation_function=biggest)
    assert result.rare_class_affinity_score == max(result.observation_scores.values()) > 0
    assert result.aggregation_name == "biggest"


def test_a_higher_bar_silences_faint_observations() -> None:
    result = SentinelLocalIndex().calculate_rare_class_affinity(LURING, min_score_to_consider=2.0, explain=False)
    assert set(result.observation_scores.values()) == {0.0}
    assert result.explanations is None


def test_nothing_said_is_no_score_and_no_assessment() -> None:
    result = SentinelLocalIndex().calculate_rare_class_affinity([])
    assert (result.rare_class_affinity_score, result.observation_scores, result.assessment) == (0.0, {}, None)


def test_what_jaga_would_not_use_is_refused() -> None:
    with pytest.raises(UsageError, match="positive_embeddings"):
        SentinelLocalIndex(positive_embeddings=np.zeros((2, 3)))
    with pytest.raises(UsageError, match="similarity_formula"):
        SentinelLocalIndex().calculate_rare_class_affinity(["hi"], similarity_formula=lambda *_: 0.0)
