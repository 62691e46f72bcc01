"""Why a relationship is judged so: computed, the same live and restored, and true when tried."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jaga import Engine, Message, Tuning
from jaga.assessment import LEVELS, Assessment, Explanation
from jaga.assessment._reliability import Reliability, Step, load_reliability, model_digest, wilson
from jaga.evaluate import Scenario, load_scenarios
from jaga.signals.catalogue import load_catalogue
from jaga.signals.nearest import load_prototypes

DEV = Path(__file__).parents[2] / "evaluation" / "dev"
FIXTURES = Path(__file__).parents[1] / "engine" / "fixtures"
ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@functools.cache
def explained() -> tuple[tuple[Scenario, Engine, Assessment, Explanation], ...]:
    found = []
    for scenario in load_scenarios([DEV]):
        engine = Engine(child=scenario.label.child, zone=ZONE, conversations=[scenario.conversation])
        engine.observe_all(scenario.messages)
        for one in engine.assessments():
            if one.level != "none":
                why = engine.explain(one.contact)
                assert why is not None
                found.append((scenario, engine, one, why))
    assert len(found) > 50
    return tuple(found)


def test_it_is_the_same_after_a_restore() -> None:
    for _, engine, one, why in explained():
        assert Engine.restore(engine.save()).explain(one.contact) == why
        stored = engine.save_relationship(one.contact)
        other = Engine(child=engine.child, zone=ZONE)
        other.restore_relationship(stored)
        # A state that had to be made to fit holds fewer messages to leave out.
        assert other.explain(one.contact) == why or len(stored) > 3000


def test_the_shares_make_a_whole_and_name_what_was_heard() -> None:
    for _, _, one, why in explained():
        assert sum(share.share for share in why.shares) == pytest.approx(1.0, abs=0.02)
        assert [share.share for share in why.shares] == sorted((share.share for share in why.shares), reverse=True)
        assert {share.name for share in why.shares} <= {"tone", "context", *load_catalogue().tactics}
        told = {finding.tactic for finding in one.tactics if finding.contribution > 0.5}
        assert told <= {share.name for share in why.shares}


def test_what_would_change_it_is_what_judging_the_rest_gives() -> None:
    right = said = agreed = tried = 0
    for scenario, _, one, why in explained():
        for what in why.without:
            assert LEVELS.index(what.level) <= LEVELS.index(one.level)
            assert what.score <= one.score
            if what.message is None:
                continue
            engine = Engine(child=scenario.label.child, zone=ZONE, conversations=[scenario.conversation])
            engine.observe_all(message for message in scenario.messages if message.id != what.message)
            other = engine.assessment(one.contact)
            level = "none" if other is None else other.level
            tried += 1
            agreed += level == what.level
            if what.level != one.level:
                said += 1
                right += level != one.level
    # Measured 0.96 and 0.85: what is not undone (the next messages were heard with it before them) matters seldom.
    assert said > 10
    assert agreed / tried > 0.9
    assert right / said > 0.7


def test_without_the_only_grave_sign_it_is_not_told() -> None:
    # Of the ears alone: with what the encoder reads, no single tactic more makes it urgent.
    engine = Engine(child="kid", zone=ZONE, encoder=None)
    texts = ("hi", "you are so mature for your age", "are you home alone ?", "dont tell your mum we talk",
             "send me a photo of you, just for me", "delete this chat after")  # fmt: skip
    for minute, text in enumerate(texts):
        engine.observe(
            Message(conversation="c", author="ray", sent_at=START + timedelta(minutes=minute), text=text, platform="p")
        )
    why = engine.explain("ray")
    assert why is not None
    assert why.level == "concern"
    assert why.few
    tactics = {what.tactic: what for what in why.without if what.tactic is not None}
    assert {"secrecy", "image_request", "risk_assessment"} <= set(tactics)
    assert all(what.score <= engine.assessments()[0].score for what in tactics.values())
    raised = {what.tactic: what.level for what in why.raised_by}
    assert raised
    assert set(raised.values()) == {"urgent"}
    close = {like.near.text for like in why.like}
    assert close
    for like in why.like:
        assert like.near.text in load_catalogue().phrases[like.near.tactic, like.near.language].prototypes


def test_it_keeps_to_the_tuning_it_is_judged_by() -> None:
    seen = 0
    for _, engine, one, _ in explained():
        if one.level != "concern":
            continue
        for tuning in (Tuning(overall=-1.0), Tuning(overall=1.0)):
            engine.tune(tuning)
            now, why = engine.assessment(one.contact), engine.explain(one.contact)
            assert now is not None
            assert why is not None
            assert why.level == now.level
            assert all(LEVELS.index(what.level) <= LEVELS.index(now.level) for what in why.without)
            seen += 1
        engine.tune(Tuning())
    assert seen > 10


def test_of_an_older_state_it_says_what_it_can() -> None:
    engine = Engine.restore((FIXTURES / "engine_1.bin").read_bytes())
    why = engine.explain("ray")
    assert why is not None
    assert why.level == engine.assessments()[0].level
    assert [what for what in why.without if what.message is not None] == []
    assert engine.explain("nobody") is None


def test_the_reliability_that_ships_is_of_the_model_that_ships() -> None:
    stored = load_reliability()
    assert stored.model == model_digest(), "run python -m tools.how_sure evaluation/test --store"
    assert sum(step.count for step in stored.steps) > 200


def steps(*counts: tuple[int, int]) -> Reliability:
    return Reliability(
        schema=1,
        measured_on="a test",
        model="",
        steps=tuple(
            Step(low=at / 10, high=(at + 1) / 10, count=count, risky=risky) for at, (count, risky) in enumerate(counts)
        ),
    )


def test_scores_that_were_rare_are_told_with_their_neighbours() -> None:
    curve = steps((100, 0), (4, 1), (4, 2), (30, 15))
    least = curve.band(0.05)
    assert least is not None
    assert (least.low, least.high, least.count, least.risky) == (0.0, 0.1, 100, 0)
    assert least.interval == pytest.approx((0.0, 0.037), abs=1e-3)
    above = curve.band(0.28)
    assert above is not None
    assert (above.low, above.high, above.count, above.risky) == (0.2, 0.4, 34, 17)
    below = curve.band(0.12)
    assert below is not None
    assert (below.low, below.high, below.count) == (0.0, 0.2, 104)
    assert curve.band(1.0) == curve.band(0.35)
    few = steps((1, 0), (2, 1)).band(0.1)
    assert few is not None
    assert few.count == 3
    assert few.share == pytest.approx(1 / 3)
    assert steps().band(0.5) is None


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263.
    interval = wilson(81, 263)
    assert interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 0) is None


def test_examples_are_found_by_their_wording() -> None:
    examples = load_prototypes()
    for tactic, language in (("secrecy", "ms"), ("meeting", "en"), ("threat", "zh"), ("flattery", "ta")):
        text = load_catalogue().phrases[tactic, language].prototypes[0]
        near = examples.nearest(text, tactic)
        assert near is not None
        assert (near.tactic, near.text, near.likeness) == (tactic, text, 1.0)
    assert examples.nearest("zzz qqq", "secrecy") is None
    assert examples.nearest("", None) is None
    # A long message is not less like an example for what stands around it.
    said = load_catalogue().phrases["secrecy", "en"].prototypes[0]
    around = " ".join(f"word{number}" for number in range(60))
    near = examples.nearest(f"{around} {said} {around}", "secrecy", least=0.1)
    assert near is not None
    assert near.text == said
