"""Words and sentences cut over several messages are heard joined; what is not cut, and everyday talk, is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from jaga import Conversation, Engine, Message
from jaga.assessment import Assessor
from jaga.assessment._joined import Runs
from jaga.records import Clock
from jaga.signals import ALONE, Actor, Before, Signal
from jaga.signals.catalogue import load_vocabulary
from jaga.signals.learned import GROUP

ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def said(*texts: str, author: str = "ray", seconds: float = 5, conversation: str = "c") -> list[Message]:
    return [
        Message(conversation=conversation, author=author, sent_at=START + timedelta(seconds=seconds * number), text=text, platform="p")
        for number, text in enumerate(texts)
    ]  # fmt: skip


def heard(messages: list[Message]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Tactic to the text a pattern heard it in and the messages it rests on."""
    assessor = Assessor(("kid",), ZONE)
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for message in messages:
        by: Actor = "child" if message.author == "kid" else "contact"
        signals, _, joined = assessor.hear(message, by, assessor._threads.before(message, by))
        for signal in signals:
            if signal.group == GROUP:
                continue
            text = joined if len(signal.messages) > 1 else message.text
            assert text is not None
            found.setdefault(signal.tactic, (text, signal.messages))
        if by == "child":
            assessor._runs.stop(message.conversation)
    return found


@pytest.mark.parametrize(
    ("texts", "whole", "tactic"),
    [
        (("se", "nd me a ph", "oto"), "send me a photo", "image_request"),
        (("send me a p", "h", "o", "to"), "send me a photo", "image_request"),
        (("han", "tar gam", "bar awak"), "hantar gambar awak", "image_request"),
        (("dont te", "ll your mum"), "dont tell your mum", "secrecy"),
        (("不要告", "诉妈妈"), "不要告诉妈妈", "secrecy"),
    ],
)
def test_cut_words_are_heard_whole(texts: tuple[str, ...], whole: str, tactic: str) -> None:
    messages = said(*texts)
    found = heard(messages)
    assert found[tactic][0] == whole
    assert found[tactic][1] == tuple(message.id for message in messages)
    assert tactic not in heard(said(*texts, seconds=61))


def test_who_answers_in_between_ends_the_run() -> None:
    first, second, third = said("se", "nd me a ph", "oto")
    between = Message(conversation="c", author="kid", sent_at=second.sent_at, text="what", platform="p")
    assert "image_request" not in heard([first, between, second, between, third])


def test_two_people_of_a_group_do_not_write_one_word() -> None:
    pieces = said("dont te", "ll your mum")
    other = [pieces[0], *said("x", "ll your mum", author="tan")[1:]]
    assert "secrecy" in heard(pieces)
    assert "secrecy" not in heard(other)


def test_the_evidence_shows_the_joined_words_and_saving_in_between_changes_nothing() -> None:
    messages = [*said("are you home alone ?"), *said("", "", "se", "nd me a ph", "oto", seconds=50)[2:]]
    straight = Engine(child="kid", zone="+08:00")
    straight.observe_all(messages)
    (one,) = straight.assessments()
    (request,) = [finding for finding in one.tactics if finding.tactic == "image_request"]
    assert "send me a photo" in {piece.text for piece in request.evidence}
    assert {piece.message for piece in request.evidence} <= {message.id for message in messages[1:]}
    for stop in range(len(messages) + 1):
        stopped = Engine(child="kid", zone="+08:00")
        stopped.observe_all(messages[:stop])
        stopped = Engine.restore(stopped.save())
        stopped.observe_all(messages[stop:])
        assert stopped.assessments() == [one]
        moved = Engine(child="kid", zone="+08:00")
        if stop:
            before = Engine(child="kid", zone="+08:00")
            before.observe_all(messages[:stop])
            moved.restore_relationship(before.save_relationship("ray"))
        moved.observe_all(messages[stop:])
        assert moved.assessments() == [one]


def test_the_same_said_in_pieces_counts_once() -> None:
    assessor = Assessor(("kid",), ZONE)
    counts = []
    for message in said("send me", "a photo of you", "please", "now"):
        signals, _, _ = assessor.hear(message, "contact", ALONE)
        counts += [signal for signal in signals if (signal.tactic, signal.group) == ("image_request", "photo")]
    assert len(counts) <= 1


def test_whole_words_stay_apart() -> None:
    runs = Runs(load_vocabulary())
    for texts in (("so", "me too"), ("to", "day is fine"), ("haha", "ok"), ("brb", "lunch"), ("", "x")):
        assert runs.join(texts) == (" ".join(texts), False), texts
    assert runs.join(("ok.", "send")) == ("ok. send", False)
    assert runs.join(("se", "nd 5 ph", "o", "to s")) == ("send 5 photo s", True)


def test_a_run_is_bounded() -> None:
    runs = Runs(load_vocabulary())
    for message in said(*["pho", "to"] * 200, seconds=1):
        run, joined = runs.add(message)
        assert len(run.pieces) <= 12
        assert run.length == sum(len(piece.text) for piece in run.pieces) <= 160
        assert joined is None or len(joined.text) <= 160 + 12
    for number in range(500):
        runs.add(said("hi", conversation=f"c{number}")[0])
    assert len(runs.open) <= 64


def test_posts_for_everyone_and_long_messages_join_too_without_trouble() -> None:
    clock = Clock(zone="UTC", zone_known=True)
    public = Conversation(id="c", platform="p", kind="public", clock=clock)
    engine = Engine(child="kid", zone="+08:00", conversations=[public])
    engine.observe_all(said("x" * 500, "se", "y" * 90, "nd me a ph", "oto"))
    assert engine.contacts == ("ray",)


class Loud:
    """An ear whose tone is what the test says."""

    def __init__(self, tone: float | None) -> None:
        self.name = f"loud {tone}"
        self._tone = tone

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        yield from ()

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        return [], self._tone


def test_the_tones_of_several_ears_are_combined() -> None:
    (message,) = said("hello")
    for tones, expected in (
        ((2.0, -1.0), 0.5),
        ((3.0, None), 3.0),
        ((None, 3.0), 3.0),
        ((None, None), None),
        ((), None),
    ):
        assessor = Assessor(("kid",), ZONE, detectors=[Loud(tone) for tone in tones])
        assert assessor.listen(message, "contact", ALONE) == ([], expected)
