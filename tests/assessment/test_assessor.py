"""The judgement: hard on single words, the same live and in batch."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jaga.assessment import Assessment, Assessor
from jaga.records import Message

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
