"""What pictures give: a known one is urgent, one that looks like nudity weighs by who sent it and what else is heard; the same live and restored."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta, timezone

import pytest

from jaga import Account, Conversation, Engine, Message, Tuning
from jaga.assessment import EVERYTHING, LEVELS, PUBLIC, Assessment, Level
from jaga.records import Attachment, Clock, KnownAs
from jaga.signals.pictures import Pictures

START = datetime(2026, 3, 1, 4, tzinfo=timezone.utc)
CLOCK = Clock(zone="+08:00", zone_known=True)
BAD = Attachment(kind="image", sha256="0" * 64, known=KnownAs(bank="b", meaning="bad", item=7, kind="pdq"))
GOOD = Attachment(kind="image", sensitive=0.99, known=KnownAs(bank="g", meaning="good", item=1, kind="sha256"))
NEAR_GOOD = Attachment(kind="image", sensitive=0.99, known=KnownAs(bank="g", meaning="good", item=1, kind="pdq"))
NUDE = Attachment(kind="image", sha256="1" * 64, sensitive=0.93)
PLAIN = Attachment(kind="image", sha256="2" * 64, sensitive=0.4)

Line = tuple[str, str] | tuple[str, str, Attachment]


def chat(*lines: Line) -> list[Message]:
    return [
        Message(
            conversation="c",
            author=line[0],
            sent_at=START + timedelta(minutes=10 * number),
            text=line[1],
            platform="p",
            kind="text" if line[1] else "media",
            attachments=line[2:],
        )
        for number, line in enumerate(lines)
    ]


def engine(*, request: bool = False) -> Engine:
    talk = Conversation(
        id="c", platform="p", kind="direct", clock=CLOCK, participants=("ray", "kid"), is_request=request
    )
    return Engine(child="kid", zone="+08:00", conversations=[talk])


def judged(*lines: Line, request: bool = False) -> Assessment:
    one = engine(request=request)
    one.observe_all(chat(*lines))
    found = one.assessment("ray")
    assert found is not None
    return found


TALK: tuple[Line, ...] = (("ray", "hi"), ("kid", "hello"), ("ray", "see you at training"))


@pytest.mark.parametrize("text", ["", "look at this"])
@pytest.mark.parametrize("who", ["ray", "kid"])
def test_a_known_picture_is_urgent_whoever_sent_it_and_without_words(who: str, text: str) -> None:
    one = judged(*TALK, (who, text, BAD), *TALK)
    assert (one.level, one.risk_type) == ("urgent", "known_image")
    first = one.tactics[0]
    assert (first.tactic, first.by) == (("known_image", "contact") if who == "ray" else ("known_image_sent", "child"))
    assert first.evidence[0].because == "b #7 (pdq, 0 bits)"
    assert one.onset is not None
    assert one.onset.index == 3
    # It was looked at.
    assert one.unjudged == {}


@pytest.mark.parametrize(
    ("lines", "request_", "level"),
    [
        ((*TALK, ("ray", "", NUDE)), False, "watch"),
        ((*TALK, ("ray", "", NUDE)), True, "concern"),
        ((*TALK, ("kid", "", NUDE)), False, "concern"),
        ((*TALK, ("ray", "", NUDE), ("ray", "send me a photo of you")), False, "concern"),
        ((*TALK, ("ray", "dont tell your mum"), ("ray", "", NUDE)), False, "concern"),
        ((*TALK, ("ray", "", PLAIN), ("kid", "", PLAIN)), True, "none"),
        ((*TALK, ("kid", "", GOOD)), False, "none"),
        ((*TALK, ("kid", "", NEAR_GOOD)), False, "concern"),
        ((*TALK, ("ray", "", Attachment(kind="image"))), False, "none"),
    ],
    ids=["contact", "stranger", "child", "asked after", "secrecy before", "not likely", "harmless", "near", "unseen"],
)
def test_what_looks_like_nudity_weighs_by_who_and_what_else(
    lines: tuple[Line, ...], request_: bool, level: Level
) -> None:
    one = judged(*lines, request=request_)
    assert one.level == level
    if level != "none":
        assert one.risk_type in ("sensitive_image", "grooming")


def test_pictures_move_no_score_but_the_least_of_their_level() -> None:
    words: tuple[Line, ...] = (
        ("ray", "are you home alone ?"),
        ("ray", "dont tell your mum"),
        ("ray", "send me a photo of you, just for me"),
    )
    without, with_ = judged(*words, ("ray", "")), judged(*words, ("ray", "", NUDE))
    assert without.level == with_.level == "concern"
    assert with_.score == without.score
    assert with_.risk_type == without.risk_type == "grooming"


def test_of_both_sides_each_is_told_as_its_own() -> None:
    one = judged(("ray", "", BAD), ("kid", "", BAD), ("kid", "", NUDE))
    assert {(found.tactic, found.by, found.count) for found in one.tactics} == {
        ("known_image", "contact", 1),
        ("known_image_sent", "child", 1),
        ("sensitive_image_sent", "child", 1),
    }


def test_one_that_a_child_sends_into_an_empty_group_is_not_lost() -> None:
    guard = Engine(
        child="kid", zone="+08:00", conversations=[Conversation(id="c", platform="p", kind="group", clock=CLOCK)]
    )
    assert guard.observe(chat(("kid", "hello all"))[0]) is None
    risen = guard.observe(chat(("kid", "", BAD))[0])
    assert risen is not None
    assert (risen.contact, risen.level) == (PUBLIC, "urgent")


@pytest.mark.parametrize("stop", range(7))
def test_saved_and_restored_anywhere_it_is_the_same(stop: int) -> None:
    lines = chat(*TALK, ("ray", "", NUDE), ("kid", "why", NUDE), ("ray", "", BAD), ("ray", "dont tell your mum"))
    straight, stopped = engine(), engine()
    straight.know(Account(id="ray", platform="p", name="Ray"))
    stopped.know(Account(id="ray", platform="p", name="Ray"))
    for number, message in enumerate(lines):
        if number == stop:
            stopped = Engine.restore(stopped.save())
        assert stopped.observe(message) == straight.observe(message)
    stopped = Engine.restore(stopped.save())
    assert stopped.assessments() == straight.assessments()
    assert stopped.explain("ray") == straight.explain("ray")
    # One relationship by itself, too.
    other = Engine(child="kid", zone="+08:00")
    other.restore_relationship(straight.save_relationship("ray"))
    assert other.assessments() == straight.assessments()


def test_what_is_saved_holds_neither_file_nor_hash() -> None:
    guard = Engine(child="kid", zone="+08:00", keep=EVERYTHING)
    seen = Attachment(
        kind="image", name="IMG-1.jpg", path="IMG-1.jpg", found="x.zip!IMG-1.jpg", sha256="ab" * 32, known=BAD.known
    )
    guard.observe_all(chat(("ray", "look", seen), ("ray", "hi")))
    raw = zlib.decompress(guard.save()[4:])
    assert b"IMG-1" not in raw
    assert b"abab" not in raw


@pytest.mark.parametrize("overall", [-1.0, 1.0])
def test_no_tuning_silences_a_picture(overall: float) -> None:
    for lines, least in (
        ((*TALK, ("ray", "", BAD)), "urgent"),
        ((*TALK, ("kid", "", NUDE)), "concern"),
        ((*TALK, ("ray", "", NUDE)), "watch"),
    ):
        one = engine()
        one.observe_all(chat(*lines))
        one.tune(Tuning(overall=overall))
        found = one.assessment("ray")
        assert found is not None
        assert LEVELS.index(found.level) >= LEVELS.index(least)
        why = one.explain("ray")
        assert why is not None
        assert why.by_picture
        # The tuning that came first gives the same.
        first = Engine(child="kid", zone="+08:00", tuning=Tuning(overall=overall))
        first.observe_all(chat(*lines))
        again = first.assessment("ray")
        assert again is not None
        assert again.level == found.level


def test_the_explanation_says_that_it_was_the_picture_and_what_would_be_without() -> None:
    one = engine()
    messages = chat(*TALK, ("ray", "", BAD), ("ray", "bye"))
    one.observe_all(messages)
    why = one.explain("ray")
    assert why is not None
    assert why.by_rule
    assert why.by_picture
    # No conversation of the evaluation had a picture: what its scores meant says nothing here.
    assert why.band is None
    without = {what.tactic or what.message: what.level for what in why.without}
    assert without == {"known_image": "none", messages[3].id: "none"}
    # Two of them: neither alone decides.
    one.observe_all(chat(*[("kid", "ok")] * 5, ("kid", "", BAD)))
    why = one.explain("ray")
    assert why is not None
    assert {what.level for what in why.without} == {"urgent"}


def test_the_detector_is_pure_and_says_one_of_a_kind() -> None:
    (message,) = chat(("ray", "", BAD))
    many = Message(
        conversation="c", author="ray", sent_at=START, text="", platform="p", attachments=(BAD, NUDE, NUDE, BAD, PLAIN)
    )
    assert [signal.tactic for signal in Pictures().hear(many, "contact")] == ["known_image", "sensitive_image"]
    assert list(Pictures().hear(message, "child")) == list(Pictures().hear(message, "child"))
