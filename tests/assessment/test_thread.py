"""What stood before a message: its author's last one, and the other side's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jaga.assessment import Threads
from jaga.records import Message
from jaga.signals import ALONE

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def said(author: str, text: str, at: int, conversation: str = "c") -> Message:
    return Message(
        conversation=conversation, author=author, sent_at=START + timedelta(minutes=at), text=text, platform="test"
    )


def test_the_first_message_stands_alone() -> None:
    assert Threads().before(said("ray", "hi", 0), "contact") is ALONE


def test_each_side_sees_its_own_last_and_the_others_last() -> None:
    threads = Threads()
    one, two, three = said("ray", "hi", 0), said("mei", "hello", 1), said("ray", "alone?", 2)
    threads.before(one, "contact")
    assert threads.before(two, "child").other == one
    found = threads.before(three, "contact")
    assert (found.previous, found.other) == (one, two)
    answer = threads.before(said("mei", "ya", 3), "child")
    assert (answer.previous, answer.other) == (two, three)


def test_conversations_do_not_mix_and_people_of_a_group_do_not_either() -> None:
    threads = Threads()
    threads.before(said("ray", "hi", 0), "contact")
    assert threads.before(said("ray", "hi", 1, conversation="d"), "contact") is ALONE
    assert threads.before(said("tan", "hi", 2), "contact") is ALONE


def test_a_picture_without_words_does_not_push_words_out() -> None:
    threads = Threads()
    one = said("ray", "look", 0)
    threads.before(one, "contact")
    threads.before(said("ray", "", 1), "contact")
    assert threads.before(said("ray", "nice?", 2), "contact").previous == one


def test_a_great_group_is_remembered_only_in_part() -> None:
    threads = Threads()
    for number in range(500):
        threads.before(said(f"p{number}", "hi", number), "contact")
    assert threads.before(said("p0", "hi again", 600), "contact") is ALONE
    assert threads.before(said("p499", "hi again", 601), "contact").previous is not None
