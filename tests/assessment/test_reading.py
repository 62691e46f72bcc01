"""The encoder's part in a judgement: when it reads, what it changes, and that live, in batches and restored agree."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga import Engine, Message
from jaga.signals.encoder import Stage

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
RISKY = (
    ("ray", "how old are you"),
    ("kid", "13"),
    ("ray", "are you home alone ?"),
    ("kid", "ya why"),
    ("ray", "dont tell your mum we talk"),
    ("ray", "send me a photo of you, just for me"),
    ("kid", "no i dont want to"),
    ("ray", "come on, just one"),
    ("ray", "delete it after"),
)
PLAIN = (("ray", "did you do the maths"), ("kid", "not yet haha"), ("ray", "page 40 right"), ("kid", "ya"))


class Fake:
    """Answers what it is told to, or by the text itself; remembers what it read."""

    def __init__(self, answer: float | None = None, gate: float = -3.0, every: int = 2) -> None:
        self.stage = Stage(gate=gate, every=every, heard=0.5, read=1.0, bias=0.0, watch=0.3, concern=0.8, urgent=0.9)
        self.answer = answer
        self.windows: list[str] = []

    def odds(self, window: str) -> float:
        self.windows.append(window)
        return self.answer if self.answer is not None else crc32(window.encode()) % 120 / 10 - 6.0


def messages(said: tuple[tuple[str, str], ...], conversation: str = "c") -> list[Message]:
    return [
        Message(
            conversation=conversation, author=author, sent_at=START + timedelta(minutes=number), text=text, platform="p"
        )
        for number, (author, text) in enumerate(said)
    ]


def engine(reader: Fake | None) -> Engine:
    return Engine(child="kid", zone="+08:00", encoder=reader)


def test_where_nothing_was_heard_it_does_not_read() -> None:
    reader = Fake()
    engine(reader).observe_all(messages(PLAIN))
    assert reader.windows == []


def test_it_reads_what_was_said_last_and_not_at_every_message() -> None:
    reader = Fake(answer=-5.0)
    engine(reader).observe_all(messages(RISKY))
    assert 2 <= len(reader.windows) <= 5
    assert reader.windows[-1].endswith(tuple(text for _, text in RISKY))
    assert any("B: 13 A: are you home alone ?" in window for window in reader.windows)


@pytest.mark.parametrize(("answer", "told"), [(-8.0, False), (8.0, True)])
def test_what_it_reads_moves_the_answer(answer: float, told: bool) -> None:
    judged = engine(Fake(answer))
    # Three grave tactics in plain words would be told by a rule, whatever the score.
    judged.observe_all(messages(tuple(pair for pair in RISKY if "alone" not in pair[1])))
    found = judged.assessment("ray")
    assert found is not None
    assert (found.level in ("concern", "urgent")) is told


def test_a_threat_is_told_whatever_it_reads() -> None:
    judged = engine(Fake(-9.0))
    judged.observe_all(messages((*RISKY, ("ray", "i will post it to all your friends or else, pay me"))))
    found = judged.assessment("ray")
    assert found is not None
    assert found.level in ("concern", "urgent")


def test_once_told_it_reads_no_more() -> None:
    reader = Fake(9.0)
    judged = engine(reader)
    judged.observe_all(messages(RISKY))
    assert judged.assessments()[0].level in ("concern", "urgent")
    count = len(reader.windows)
    judged.observe_all(messages(RISKY))
    assert len(reader.windows) == count


lines = st.lists(
    st.tuples(
        st.sampled_from(("ray", "tan", "kid")),
        st.sampled_from([text for _, text in (*RISKY, *PLAIN)]) | st.text(max_size=40),
        st.sampled_from(("c", "d")),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(said=lines, stops=st.lists(st.integers(0, 40), max_size=3))
def test_wherever_it_is_saved_it_reads_the_same(said: list[tuple[str, str, str]], stops: list[int]) -> None:
    one, other = Fake(), Fake()
    straight, stopped = engine(one), engine(other)
    for number, (author, text, conversation) in enumerate(said):
        at = START + timedelta(minutes=number)
        message = Message(conversation=conversation, author=author, sent_at=at, text=text, platform="p")
        if number in stops:
            stopped = Engine.restore(stopped.save(), encoder=other)
        assert stopped.observe(message) == straight.observe(message)
    assert one.windows == other.windows
    assert stopped.save() == straight.save()


def test_a_relationship_saved_alone_goes_on_reading_the_same() -> None:
    one, other = Fake(), Fake()
    straight, stopped = engine(one), engine(other)
    said = messages((*RISKY, *PLAIN, *RISKY))
    straight.observe_all(said)
    stopped.observe_all(said[:7])
    moved = engine(other)
    moved.restore_relationship(stopped.save_relationship("ray"))
    moved.observe_all(said[7:])
    assert one.windows == other.windows
    assert moved.assessments() == straight.assessments()
