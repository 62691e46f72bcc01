"""The library's door: the same answers as the assessor behind it, from any thread, live and in batches."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest

import jaga
from jaga import Account, Assessment, Clock, Conversation, Engine, Message
from jaga.assessment import COMPACT, Assessor
from jaga.errors import UsageError
from jaga.evaluate import Scenario, load_scenarios

DEV = Path(__file__).parents[2] / "evaluation" / "dev"
ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
_T = TypeVar("_T")
LINES = ("are you home alone ?", "dont tell your mum", "send me a photo of you, just for me")


def chat(*texts: str, author: str = "ray", conversation: str = "c") -> list[Message]:
    return [
        Message(conversation=conversation, author=author, sent_at=START + timedelta(minutes=i), text=text, platform="p")
        for i, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    return list(load_scenarios([DEV]))


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """As asyncio.run, in a thread of its own: other tests may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work)).result()


def engine_of(one: Scenario) -> Engine:
    return Engine(child=one.label.child, zone=ZONE, conversations=[one.conversation])


def test_it_tells_when_a_level_rises_and_only_then() -> None:
    engine = Engine(child="kid", zone="+08:00")
    told = [engine.observe(message) for message in chat("hi", *LINES, "ok")]
    levels = [one.level for one in told if one is not None]
    assert levels
    assert levels == sorted(set(levels), key=("watch", "concern", "urgent").index)
    assert told[0] is None
    assert told[-1] is None
    assert engine.assessments()[0].level == levels[-1]
    assert engine.assessment("ray") == engine.assessments()[0]
    assert engine.assessment("nobody") is None


def test_live_and_batch_agree_on_every_evaluation_conversation(scenarios: list[Scenario]) -> None:
    assert len(scenarios) > 50
    for one in scenarios:
        live, batch = engine_of(one), engine_of(one)
        risen = [found for message in one.messages if (found := live.observe(message)) is not None]
        assert run(batch.observe_batch(one.messages)) == risen, one.label.conversation
        assert batch.assessments() == live.assessments(), one.label.conversation


def test_it_judges_as_the_command_does_and_keeps_shorter_texts(scenarios: list[Scenario]) -> None:
    for one in scenarios:
        engine = engine_of(one)
        engine.observe_all(one.messages)
        assessor = Assessor((one.label.child,), ZONE, conversations={one.conversation.id: one.conversation})
        for message in one.messages:
            assessor.observe(message)
        assert engine.assessments() == [shortened(found) for found in assessor.assessments()]


def shortened(one: Assessment) -> Assessment:
    replace = msgspec.structs.replace
    return replace(
        one,
        tactics=tuple(
            replace(
                finding,
                evidence=tuple(replace(piece, text=piece.text[: COMPACT.text]) for piece in finding.evidence),
            )
            for finding in one.tactics
        ),
    )


def test_an_asynchronous_source_is_read_as_it_comes() -> None:
    async def source() -> AsyncIterator[Message]:
        for message in chat(*LINES, *["hello"] * 600):
            yield message

    engine = Engine(child="kid", zone="+08:00")
    risen = run(engine.observe_batch(source()))
    assert [one.level for one in risen]
    assert engine.assessments()[0].messages == 603


def test_the_event_loop_stays_free_while_a_batch_is_heard() -> None:
    async def both() -> int:
        ticks = 0
        done = asyncio.Event()

        async def tick() -> None:
            nonlocal ticks
            while not done.is_set():
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await Engine(child="kid", zone="+08:00").observe_batch(chat(*(f"word{i} and {i * 7}" for i in range(3_000))))
        done.set()
        await ticking
        return ticks

    # One turn per chunk of a batch would be 12.
    assert run(both()) > 24


def test_one_engine_used_by_many_threads_answers_as_one_thread_does(scenarios: list[Scenario]) -> None:
    # Each conversation gets people of its own, so that its relationships are its own whatever comes between.
    talks = [list(_apart(one, number)) for number, one in enumerate(scenarios)]
    child = {one.label.child for one in scenarios}
    alone = Engine(child=child, zone=ZONE)
    for talk in talks:
        alone.observe_all(talk)
    shared = Engine(child=child, zone=ZONE)
    barrier = threading.Barrier(8)

    def work(part: int) -> None:
        barrier.wait()
        for talk in talks[part::8]:
            for message in talk:
                shared.observe(message)

    switched = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(switched)
    assert {one.contact: one for one in shared.assessments()} == {one.contact: one for one in alone.assessments()}


def _apart(one: Scenario, number: int) -> Iterator[Message]:
    for message in one.messages:
        author = message.author if message.author == one.label.child else f"{message.author}#{number}"
        yield msgspec.structs.replace(message, author=author)


def test_what_is_told_about_people_and_conversations_is_used() -> None:
    engine = Engine(
        child=["kid"],
        zone=ZoneInfo("Asia/Kuala_Lumpur"),
        conversations=[
            Conversation(id="c", platform="p", kind="group", clock=Clock(zone="UTC", zone_known=True)),
        ],
    )
    engine.know(Account(id="ray", platform="p", name="Ray"))
    # In a group the child's words answer whoever spoke within the last quarter of an hour: here nobody.
    engine.observe(chat("hello all", author="kid")[0])
    assert engine.contacts == ()
    engine.observe_all(chat("hi"))
    assert [one.contact_name for one in engine.assessments()] == ["Ray"]


@pytest.mark.parametrize(
    ("child", "zone"), [("", "+08:00"), ([], "+08:00"), ("kid", "Mars/Olympus"), ("kid", "+8"), ("kid", "../x")]
)
def test_a_wrong_call_is_refused(child: str | list[str], zone: str) -> None:
    with pytest.raises(UsageError):
        Engine(child=child, zone=zone)


def test_public_names_are_there_and_are_loaded_only_when_asked_for() -> None:
    for name in jaga.__all__:
        assert getattr(jaga, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = jaga.nothing_such
    assert importlib.import_module("jaga.engine").__all__ == ["Engine"]
    code = (
        "import sys, jaga, jaga.cli; print(sorted({'numpy', 'hyperscan', 'jaga.engine', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
