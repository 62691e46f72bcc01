"""The judgement: hard on single words, the same live and in batch."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jaga.assessment import Assessment, Assessor, load_model
from jaga.assessment._relationship import Relationship
from jaga.records import Clock, Conversation, Message
from jaga.signals import Signal

ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def chat(*lines: tuple[str, str]) -> list[Message]:
    return [
        Message(conversation="c", author=author, sent_at=START + timedelta(minutes=i), text=text, platform="test")
        for i, (author, text) in enumerate(lines)
    ]


def judge(messages: list[Message]) -> Assessment:
    assessor = Assessor(["kid"], ZONE)
    for message in messages:
        assessor.observe(message)
    return next(iter(assessor.assessments()))


def test_one_signal_alone_never_passes_watch() -> None:
    for text in ("dont tell your mum", "send me a photo of you", "are you home alone ?", "lets meet up saturday"):
        assert judge(chat(("x", text))).level in ("none", "watch")


def test_a_direct_threat_passes_at_once() -> None:
    one = judge(chat(("x", "pay rm200 or else i will post it to all your friends")))
    assert one.level in ("concern", "urgent")
    assert one.risk_type == "sextortion"


def test_several_tactics_together_pass() -> None:
    one = judge(
        chat(("x", "are you home alone ?"), ("x", "dont tell your mum"), ("x", "send me a photo of you, just for me"))
    )
    assert one.level in ("concern", "urgent")
    assert one.onset is not None


def test_live_and_batch_agree() -> None:
    messages = chat(
        ("x", "are you home alone ?"), ("x", "hi"), ("x", "dont tell your mum"), ("x", "add me on telegram")
    )
    live = Assessor(["kid"], ZONE)
    for message in messages:
        live.observe(message)
        last = next(iter(live.assessments()))
    assert last == judge(messages)


def test_thousands_of_harmless_messages_do_not_add_up() -> None:
    lines = [("x", f"see you in class {i}") for i in range(3000)] + [("x", "lets meet at the library")]
    assert judge(chat(*lines)).level == "none"


def test_the_childs_answers_count_without_knowing_the_conversation() -> None:
    one = judge(chat(("x", "hi"), ("kid", "im so scared")))
    assert (one.contact_messages, one.child_messages) == (1, 1)
    assert {finding.tactic for finding in one.tactics} == {"distress"}


def paced(per_day: list[int]) -> Relationship:
    one = Relationship("kid", "x", None, load_model())
    for day, count in enumerate(per_day):
        for number in range(count):
            at = START + timedelta(days=day, minutes=number)
            message = Message(conversation="c", author="x", sent_at=at, text="", platform="test")
            signals = [] if number or day + 1 < len(per_day) else [signal(message)]
            one.observe(message, "contact", signals, at.toordinal(), 12)
    return one


def signal(message: Message) -> Signal:
    return Signal(
        tactic="flattery", group="praise", by="contact", strength=0.5, messages=(message.id,), detector="test"
    )


def test_a_steady_pace_is_no_acceleration_and_a_rush_is() -> None:
    assert paced([10] * 30).features()["acceleration"] < 1e-9
    assert paced([2] * 20 + [40, 40]).features()["acceleration"] > 0.5
    # Two days say nothing about pace.
    assert paced([1, 40]).features()["acceleration"] == 0.0


def test_messages_in_a_row_without_answer_count() -> None:
    assert "streak" not in paced([3]).features()
    assert paced([10]).features()["streak"] == 1.0


def test_one_contact_who_turns_to_many_in_a_group() -> None:
    people = ("kid", "ann", "ben", "cho")
    conversation = Conversation(
        id="c", platform="test", kind="group", participants=(*people, "x"), clock=Clock(zone="UTC", zone_known=True)
    )
    assessor = Assessor(["kid"], ZONE, conversations={"c": conversation})
    lines: list[tuple[str, str]] = []
    for person in people:
        lines += [(person, "gg"), ("x", "how old are you?")]
    for message in chat(*lines):
        assessor.observe(message)
    assert assessor.relationships["x"].features()["many_addressed"] > 0
    # What one asks of one person is not many.
    assert "many_addressed" not in assessor.relationships["ann"].features()


def threatened(*heard: tuple[str, float]) -> Assessment:
    """A relationship in which these threats, (group, strength) each, were heard beside plain signs of grooming."""
    one = Relationship("kid", "x", None, load_model())
    said = [("secrecy", "not_tell", 0.9), ("image_request", "private", 0.9), ("risk_assessment", "who_is_home", 0.9)]
    for number, (tactic, group, strength) in enumerate([*said, *(("threat", *threat) for threat in heard)]):
        at = START + timedelta(minutes=number)
        message = Message(conversation="c", author="x", sent_at=at, text=f"line {number}", platform="test")
        found = Signal(
            tactic=tactic, group=group, by="contact", strength=strength, messages=(message.id,), detector="test"
        )
        one.observe(message, "contact", [found], at.toordinal(), 12)
    return one.assessment()


def test_one_line_that_only_sounds_like_a_threat_is_not_called_blackmail() -> None:
    one = threatened(("learned", 0.95))
    assert (one.risk_type, one.stage) == ("grooming", "request")
    assert "threat" in {finding.tactic for finding in one.tactics}


def test_threats_heard_clearly_and_again_are() -> None:
    one = threatened(("learned", 0.95), ("share", 1.0))
    assert (one.risk_type, one.stage) == ("sextortion", "extortion")


def test_words_for_openness_do_not_raise_a_safe_score() -> None:
    talk = [
        ("x", "hi, good game yesterday"),
        ("kid", "ya haha"),
        ("x", "same team on saturday ?"),
        ("kid", "can, what time"),
    ]
    before = judge(chat(*talk)).score
    for line in ("tell your parents, they can come along", "bagitau mak ayah, diorang boleh ikut sekali"):
        assert judge(chat(*talk, ("x", line))).score <= before + 0.01
    # A grave word in plain sight is not undone by it.
    asked = judge(chat(*talk, ("x", "dont tell your mum, tell your parents they can come along later")))
    assert "secrecy" in {finding.tactic for finding in asked.tactics}
