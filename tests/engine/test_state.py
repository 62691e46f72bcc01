"""Saved and restored: the same answers as if nothing had happened, in little space, and never a crash on bad bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga import Account, Assessment, Clock, Conversation, Engine, Message
from jaga.assessment import COMPACT, Keep
from jaga.assessment._relationship import Relationship
from jaga.assessment._state import _PLAIN, LIMIT
from jaga.errors import UnreadableInput, UsageError
from jaga.evaluate import load_scenarios
from jaga.records import Attachment
from jaga.signals import Actor, Signal
from jaga.signals.catalogue import load_catalogue

HERE = Path(__file__).parent
DEV = HERE.parents[1] / "evaluation" / "dev"
ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
CLOCK = Clock(zone="UTC", zone_known=True)
GROUP = Conversation(id="g", platform="p", kind="group", clock=CLOCK, participants=("ray", "tan", "kid"))
# Lines that are heard, in several languages, and lines that are not.
SAID = (
    *(
        "ok",
        "haha",
        "see you at school tomorrow",
        "",
        "are you home alone ?",
        "dont tell your mum",
        "no i dont want to",
    ),
    *(
        "send me a photo of you",
        "jangan bagitau mak ko",
        "add me on telegram",
        "how old are you",
        "别告诉你妈妈",
        "你一个人在家吗",
    ),
    *(
        "i will post it to all your friends or else",
        "அம்மாகிட்ட சொல்லாதே",
        "lets meet up saturday",
        "im so scared",
        "word " * 90,
    ),
)


def test_halfway_saved_every_evaluation_conversation_ends_the_same() -> None:
    count = 0
    for one in load_scenarios([DEV]):
        straight = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])
        stopped = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])
        moved = Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])
        half = len(one.messages) // 2
        risen = straight.observe_all(one.messages)
        before = stopped.observe_all(one.messages[:half])
        stopped = Engine.restore(stopped.save())
        assert before + stopped.observe_all(one.messages[half:]) == risen, one.label.conversation
        assert stopped.assessments() == straight.assessments(), one.label.conversation
        if one.conversation.kind == "direct":
            # Relationship by relationship, into an engine that has never heard of it.
            moved.observe_all(one.messages[:half])
            stored = [moved.save_relationship(contact) for contact in moved.contacts]
            assert all(len(raw) <= LIMIT for raw in stored)
            moved = Engine(child=one.label.child, zone=ZONE)
            assert [moved.restore_relationship(raw) for raw in stored]
            moved.observe_all(one.messages[half:])
            assert moved.assessments() == straight.assessments(), one.label.conversation
        count += 1
    assert count > 50


lines = st.lists(
    st.tuples(
        st.sampled_from(("ray", "tan", "kid", "mei")),
        st.sampled_from(SAID) | st.text(max_size=30),
        st.sampled_from(("g", "d", "unknown")),
        st.sampled_from((0, 3, 40, 60 * 9, 60 * 24 * 5)),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(said=lines, stops=st.lists(st.integers(0, 60), max_size=3))
def test_wherever_it_is_saved_the_answers_are_the_same(
    said: list[tuple[str, str, str, int, bool]], stops: list[int]
) -> None:
    talk = Conversation(id="d", platform="q", kind="direct", clock=CLOCK, participants=("ray", "kid"), is_request=True)
    # A timeline and a list of conversations short enough to be folded within these few messages.
    keep = Keep(text=20, days=3, conversations=2, context=300)
    straight = Engine(child="kid", zone="+08:00", conversations=[GROUP, talk], keep=keep)
    stopped = Engine(child="kid", zone="+08:00", conversations=[GROUP, talk], keep=keep)
    straight.know(Account(id="tan", platform="p", name="Tan"))
    stopped.know(Account(id="tan", platform="p", name="Tan"))
    at = START
    for number, (author, text, conversation, minutes, picture) in enumerate(said):
        at += timedelta(minutes=minutes)
        message = Message(
            conversation=conversation,
            author=author,
            sent_at=at,
            text=text,
            platform="p",
            attachments=(Attachment(kind="image"),) if picture else (),
        )
        if number in stops:
            stopped = Engine.restore(stopped.save(), keep=keep)
        assert stopped.observe(message) == straight.observe(message)
    stopped = Engine.restore(stopped.save(), keep=keep)
    assert stopped.assessments() == straight.assessments()
    assert stopped.save() == straight.save()


def test_everything_a_relationship_knows_is_saved() -> None:
    elsewhere = {"platforms", "conversations", "addressed", "_days", "_tactics", "_contributions"}
    elsewhere |= {"_onset", "_earliest", "_shipped", "_floor", "_moments", "_odds", "_read", "_read_at"}
    # `level` follows from what is kept and the tuning.
    given_anew = {"_model", "_keep", "_sense", "_encoder", "level"}
    names = set(vars(Relationship("kid", "ray", None, None)))  # type: ignore[arg-type]
    assert names == set(_PLAIN) | elsewhere | given_anew, "say in _state.py how a new attribute is saved"


class Everything:
    """An ear that hears every tactic in every message, and gives long reasons."""

    name = "everything"

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        chance = random.Random(message.text)
        for name, tactic in load_catalogue().tactics.items():
            for group in tactic.groups:
                yield Signal(
                    tactic=name,
                    group=group,
                    by=by,
                    strength=chance.random(),
                    messages=(message.id,),
                    detector=self.name,
                    language="en",
                    because=f"{chance.random()} {chance.random()}",
                )


@pytest.fixture(scope="module")
def crammed() -> Engine:
    """The most that a relationship can be: everything heard, for years, in texts that nothing compresses."""
    engine = Engine(child="kid", zone="+08:00", detectors=[Everything()])
    chance = random.Random(5)
    for number in range(400):
        text = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(500))
        at = START + timedelta(days=number * 3, seconds=number * 7919)
        engine.observe(
            Message(
                conversation=f"c{number % 20:031}{number % 10}",
                author=chance.choice(("ray", "kid")),
                sent_at=at,
                text=text,
                platform=f"p{number % 5}",
            )
        )
    return engine


def test_even_the_fullest_relationship_fits_and_its_verdict_stays(crammed: Engine) -> None:
    stored = crammed.save_relationship("ray")
    assert len(stored) <= LIMIT
    again = Engine(child="kid", zone="+08:00", detectors=[Everything()])
    again.restore_relationship(stored)
    (whole,), (fitted,) = crammed.assessments(), again.assessments()
    assert bare(fitted) == bare(whole)
    assert all(finding.evidence for finding in fitted.tactics)


def bare(one: Assessment) -> object:
    found = msgspec.to_builtins(one)
    for finding in found["tactics"]:
        del finding["evidence"]
    return found


def test_a_history_of_decades_has_a_short_timeline_that_adds_up() -> None:
    engine = Engine(child="kid", zone="+08:00")
    for number in range(3_000):
        at = START + timedelta(days=number * 2)
        engine.observe(Message(conversation="c", author="ray", sent_at=at, text="hi", platform="p"))
    (one,) = engine.assessments()
    assert COMPACT.days is not None
    assert COMPACT.days // 2 <= len(one.days) <= COMPACT.days
    assert sum(day.contact_messages for day in one.days) == 3_000
    assert {day.span for day in one.days} == {128}
    assert all(later.ordinal - day.ordinal == 128 for day, later in zip(one.days, one.days[1:], strict=False))


def test_the_zone_and_the_child_come_back() -> None:
    for zone, name in (
        (ZoneInfo("Asia/Kuala_Lumpur"), "Asia/Kuala_Lumpur"),
        (timezone(-timedelta(hours=3, minutes=30)), "-03:30"),
        (timezone.utc, "+00:00"),
    ):
        again = Engine.restore(Engine(child=["kid", "kid2"], zone=zone).save())
        assert again.child == ("kid", "kid2")
        assert Engine.restore(again.save()).save() == Engine(child=["kid", "kid2"], zone=name).save()


def test_forgetting_is_complete_and_can_be_undone() -> None:
    engine = Engine(child="kid", zone="+08:00")
    engine.observe_all(
        Message(conversation="c", author="ray", sent_at=START + timedelta(minutes=i), text=text, platform="p")
        for i, text in enumerate(SAID)
    )
    known, stored = engine.assessments(), engine.save_relationship("ray")
    empty = Engine(child="kid", zone="+08:00").save()
    engine.forget("ray")
    assert engine.save() == empty
    assert engine.restore_relationship(stored) == "ray"
    assert engine.assessments() == known
    for call in (engine.save_relationship, engine.forget):
        with pytest.raises(UsageError, match="nobody"):
            call("nobody")


def test_half_an_emoji_does_not_stop_saving() -> None:
    engine = Engine(child="kid", zone="+08:00")
    said = [
        Message(
            conversation="c", author="ray", sent_at=START + timedelta(minutes=i), text=f"{text} \ud83d", platform="p"
        )
        for i, text in enumerate(SAID)
    ]
    engine.observe_all(said[:9])
    again = Engine.restore(engine.save())
    for message in said[9:]:
        first, second = engine.observe(message), again.observe(message)
        assert (first is None) == (second is None)
    assert [(one.score, one.level) for one in again.assessments()] == [
        (one.score, one.level) for one in engine.assessments()
    ]


# Made once by tests/engine/make_stored.py, with Jaga 0.1.0; never made again: they stand for what users have stored.
@pytest.mark.parametrize("version", [1])
def test_what_an_old_version_stored_still_loads(version: int) -> None:
    folder = HERE / "fixtures"
    expected = (folder / f"stored_{version}.json").read_bytes()
    engine = Engine.restore((folder / f"engine_{version}.bin").read_bytes())
    found, wanted = engine.assessments(), msgspec.json.decode(expected, type=list[Assessment])
    assert [lasting(one) for one in found] == [lasting(one) for one in wanted]
    # Which tactics and which evidence are told may change with the version; what is told of them may not.
    for one, other in zip(found, wanted, strict=True):
        assert {**told(other), **told(one)} == {**told(one), **told(other)}
        assert not told(one).keys().isdisjoint(told(other)) or not told(other)
    fresh = Engine(child="kid", zone="+08:00")
    contact = fresh.restore_relationship((folder / f"relationship_{version}.bin").read_bytes())
    assert fresh.assessment(contact) == engine.assessment(contact)
    # And it goes on from there.
    engine.observe(Message(conversation="d", author="ray", sent_at=START + timedelta(days=9), text="hi", platform="p"))
    later = engine.assessment(contact)
    assert later is not None
    assert later.messages == msgspec.json.decode(expected)[0]["messages"] + 1


def lasting(one: Assessment) -> Assessment:
    return msgspec.structs.replace(one, risk_type=None, stage=None, tactics=())


def told(one: Assessment) -> dict[str, object]:
    tactics = {finding.tactic: (finding.by, finding.count, finding.first_at) for finding in one.tactics}
    return tactics | {piece.message: piece.text for finding in one.tactics for piece in finding.evidence}


def test_bytes_of_a_newer_version_are_named_as_such() -> None:
    stored = bytearray(Engine(child="kid", zone="+08:00").save())
    stored[3] = 9
    with pytest.raises(UnreadableInput, match="version 9"):
        Engine.restore(bytes(stored))


def test_cut_anywhere_or_changed_anywhere_it_is_refused(crammed: Engine) -> None:
    stored = crammed.save_relationship("ray")
    engine = Engine(child="kid", zone="+08:00")
    for at in range(0, len(stored), 37):
        damaged = bytearray(stored)
        damaged[at] ^= 0x41
        for raw in (stored[:at], bytes(damaged)):
            with pytest.raises(UnreadableInput):
                engine.restore_relationship(raw)
    with pytest.raises(UnreadableInput):
        engine.restore_relationship(stored + b"x")
    assert engine.contacts == ()


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    import zlib

    for stored in (raw, b"JAG\x01" + raw, b"JAG\x01" + zlib.compress(raw)):
        with pytest.raises(UnreadableInput):
            Engine.restore(stored)
        with pytest.raises(UnreadableInput):
            Engine(child="kid", zone="+08:00").restore_relationship(stored)
