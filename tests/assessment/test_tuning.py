"""What a family may move, what it may not, and that the answer does not depend on when it moved it."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga import Engine, Feedback, Message, Tuning
from jaga.assessment import LEVELS, Assessment, Sensitivity
from jaga.assessment._tuning import GRAVE, TUNABLE
from jaga.errors import UnreadableInput, UsageError
from jaga.evaluate import Scenario, load_scenarios

DEV = Path(__file__).parents[2] / "evaluation" / "dev"
FIXTURES = Path(__file__).parents[1] / "engine" / "fixtures"
ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
EXTORTION = (
    "you sent me that picture yesterday",
    "pay me rm500 or i will send your photo to all your friends",
    "i have your photo, pay or else i share it with your school",
)


@functools.cache
def heard() -> tuple[tuple[Scenario, Engine], ...]:
    """The conversations of the development set, each with an engine that heard it and must be put back as shipped."""
    found = []
    for one in load_scenarios([DEV]):
        engine = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])
        engine.observe_all(one.messages)
        found.append((one, engine))
    return tuple(found)


def chat(*texts: str) -> list[Message]:
    return [
        Message(conversation="c", author="ray", sent_at=START + timedelta(minutes=i), text=text, platform="p")
        for i, text in enumerate(texts)
    ]


def answers(kind: str, count: int, contact: str = "ray", tactics: tuple[str, ...] = ()) -> list[Feedback]:
    return [
        Feedback(at=START + timedelta(days=i), contact=contact, kind=kind, tactics=tactics)  # type: ignore[arg-type]
        for i in range(count)
    ]


contacts = sorted({one.contact for _, engine in heard() for one in engine.assessments() if one.level == "urgent"})
events = st.builds(
    Feedback,
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=timezone.utc)),
    contact=st.sampled_from([*contacts, "somebody"]),
    kind=st.sampled_from(["fine", "talked", "reported", "wrong_person"]),
    reason=st.none() | st.text(max_size=10),
    tactics=st.lists(st.sampled_from([*sorted(TUNABLE), "protective", "unheard of"]), max_size=20).map(tuple),
)


def level(engine: Engine, contact: str) -> int:
    found = engine.assessment(contact)
    assert found is not None
    return LEVELS.index(found.level)


@settings(deadline=None, max_examples=40)
@given(st.lists(events, max_size=60))
def test_no_answers_hide_what_is_urgent(said: list[Feedback]) -> None:
    tuning = Tuning.from_feedback(said)
    seen = 0
    for _, engine in heard():
        urgent = [one for one in engine.assessments() if one.level == "urgent"]
        if not urgent:
            continue
        engine.tune(tuning)
        for one in urgent:
            seen += 1
            assert engine.assessment(one.contact) == one
        engine.tune(Tuning())
    assert seen > 10


def test_no_setting_hides_a_threat() -> None:
    least = Tuning(
        overall=-1.0, tactics=dict.fromkeys(TUNABLE - GRAVE, -1.0), contacts={"ray": Sensitivity(overall=-1)}
    )
    engine = Engine(child="kid", zone=ZONE, tuning=least)
    engine.observe_all(chat(*EXTORTION))
    shipped = Engine(child="kid", zone=ZONE)
    shipped.observe_all(chat(*EXTORTION))
    assert shipped.assessments()[0].level in ("concern", "urgent")
    assert engine.assessments() == shipped.assessments()


@settings(deadline=None)
@given(st.lists(events, max_size=30), st.randoms())
def test_the_order_of_answers_does_not_matter_and_each_can_be_taken_back(said: list[Feedback], random: object) -> None:
    mixed = list(said)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert Tuning.from_feedback(mixed) == Tuning.from_feedback(said)
    # Told twice by a slow network, it counts once.
    assert Tuning.from_feedback([*said, *said]) == Tuning.from_feedback(said)
    tuning = Tuning.from_feedback(said)
    assert Tuning.from_json(tuning.to_json()) == tuning
    more = answers("fine", 1, contact="not among them", tactics=("secrecy",))
    assert Tuning.from_feedback([*said, *more][: len(said)]) == tuning
    for name in GRAVE:
        assert tuning.tactics.get(name, 0.0) >= 0


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(overall=-1.0),
        Tuning(overall=1.0),
        Tuning(overall=0.4, tactics={"flattery": 1.0, "secrecy": -1.0, "inducement": -0.5}),
        Tuning(tactics=dict.fromkeys(TUNABLE, 1.0)),
        Tuning(overall=-0.3, tactics=dict.fromkeys(TUNABLE - GRAVE, -1.0)),
    ],
    ids=["least", "most", "mixed", "every tactic up", "tactics down"],
)
def test_the_answer_does_not_depend_on_when_the_tuning_came(tuning: Tuning) -> None:
    moved = 0
    for one, late in heard():
        first = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation], tuning=tuning)
        half = len(one.messages) // 2
        between = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])
        between.observe_all(one.messages[:half])
        between = Engine.restore(between.save(), tuning=tuning)
        assert between.tuning == tuning
        shipped = late.assessments()
        late.tune(tuning)
        first.observe_all(one.messages)
        between.observe_all(one.messages[half:])
        assert first.assessments() == late.assessments(), one.label.conversation
        assert between.assessments() == late.assessments(), one.label.conversation
        again = Engine.restore(late.save())
        assert (again.tuning, again.assessments()) == (tuning, late.assessments())
        moved += [found.level for found in late.assessments()] != [found.level for found in shipped]
        # Only the level and where it began may be another one: the score says what was measured.
        for was, now in zip(by_contact(shipped), by_contact(late.assessments()), strict=True):
            assert (now.contact, now.score, now.tactics) == (was.contact, was.score, was.tactics)
            assert (now.onset is None) == (now.level in ("none", "watch"))
        late.tune(Tuning())
        assert late.assessments() == shipped
    assert moved


def by_contact(found: list[Assessment]) -> list[Assessment]:
    return sorted(found, key=lambda one: one.contact)


def test_a_level_never_falls_while_messages_come() -> None:
    for tuning in (Tuning(overall=0.8, tactics={"secrecy": -1.0, "flattery": 1.0}), Tuning(overall=-0.7)):
        for one, _ in heard():
            engine = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation], tuning=tuning)
            last: dict[str, int] = {}
            for message in one.messages:
                risen = engine.observe(message)
                for contact in engine.contacts:
                    now = level(engine, contact)
                    assert now >= last.get(contact, 0)
                    # It is told exactly when it rises.
                    assert (risen is not None and risen.contact == contact) == (now > last.get(contact, 0))
                    last[contact] = now


def test_fine_never_raises_and_reported_never_lowers() -> None:
    for _, engine in heard():
        for found in engine.assessments():
            tactics = tuple(finding.tactic for finding in found.tactics)
            for kind, way in (("fine", -1), ("wrong_person", -1), ("talked", 1), ("reported", 1)):
                before = LEVELS.index(found.level)
                for count in (1, 3, 9):
                    engine.tune(Tuning.from_feedback(answers(kind, count, found.contact, tactics)))
                    now = level(engine, found.contact)
                    assert (now - before) * way >= 0
                    before = now
                engine.tune(Tuning())


def test_what_is_learned_about_one_contact_moves_the_others_less() -> None:
    tuning = Tuning.from_feedback(answers("fine", 9, "aunt", ("inducement",)))
    aunt, other = tuning.sense("aunt"), tuning.sense("ray")
    assert aunt is not None
    assert other is not None
    assert aunt.shift < 2 * other.shift < 0
    assert aunt.factors["inducement"] == 0.5
    assert aunt.factors["inducement"] < other.factors["inducement"] < 1
    assert Tuning.from_feedback(answers("wrong_person", 9, "aunt")).sense("ray") is None


def test_the_family_can_set_what_it_wants_beforehand() -> None:
    base = Tuning(overall=0.5, tactics={"secrecy": -0.5}, contacts={"aunt": Sensitivity(overall=-1.0)})
    assert Tuning.from_feedback([], base=base) == base
    moved = Tuning.from_feedback(answers("reported", 1, "aunt", ("secrecy",)), base=base)
    assert moved.contacts["aunt"] == Sensitivity(overall=-0.5, tactics={"secrecy": 0.25})
    assert moved.overall == 0.55


def test_a_state_of_before_there_was_a_tuning_stays_as_it_was_told() -> None:
    engine = Engine.restore((FIXTURES / "engine_1.bin").read_bytes())
    before = engine.assessments()
    assert before[0].level != "none"
    engine.tune(Tuning(overall=-1.0))
    assert engine.assessments() == before


@pytest.mark.parametrize(
    "wrong",
    [{"overall": 1.5}, {"overall": float("nan")}, {"tactics": {"secrecy": -2}}, {"tactics": {"threat": -0.1}},
     {"tactics": {"protective": 0.5}}, {"tactics": {"no such": 0.5}}],
    ids=["too much", "no number", "too little", "a grave one quieter", "what protects", "unknown"],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="tuning"):
        Tuning(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"schema": 2}', b'{"overall": 3}', b'{"tactics": {"threat": -1}}', b"\xff"]
)
def test_what_is_not_a_tuning_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableInput, match="is not a tuning"):
        Tuning.from_json(raw)
