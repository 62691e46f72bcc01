"""Any sequence of exports, in pieces, again, overlapping, with dropping in between: each message once, the judgement as if all at once."""

from __future__ import annotations

import functools
import itertools
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jaga.assessment import Assessment
from jaga.engine import Engine
from jaga.records import Message
from jaga.sources import Context, gather, zone_of
from jaga.store import _ingest, broken_lines, drop_expired, queue_import, run_imports
from jaga.store import _tables as t
from tests.store.house import NOW, Home, Line, chat, line, talk, write

_ZONE = "Asia/Kuala_Lumpur"
_POOL: list[Line] = [
    *chat(step=31),
    *talk("mei", [("mei", "did you do it"), ("aina", "ya"), ("mei", "thanks!!")] * 2, start=3, step=40),
    *talk("ray2", [("ray", "new number"), ("aina", "oh ok"), ("ray", "dont tell anyone")], start=100, step=29),
    *(
        line("class", author, 10 + at * 23, f"line {at} of the class", kind="group")
        for at, author in enumerate(["mei", "ray", "aina", "danial", "aina", "ray"])
    ),
    # The same words at the same minute, twice.
    line("mei", "mei", 500, "ok"),
    line("mei", "mei", 500, "ok"),
]


def _key(one: Line) -> tuple[str, str]:
    return str(one["conversation"]), str(one["time"])


_MOMENTS = sorted({_key(one) for one in _POOL})


class Ingesting(RuleBasedStateMachine):
    """Pieces are whole minutes of a conversation: which of two lines of one minute came first could not be known otherwise."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Home(Path(self.folder.name), itertools.repeat(None))
        self.brought: set[tuple[str, str]] = set()
        self.now = NOW
        self.dropped = False
        self.numbers = itertools.count()

    @rule(moments=st.sets(st.sampled_from(_MOMENTS), min_size=1, max_size=20), shuffled=st.randoms())
    def bring(self, moments: set[tuple[str, str]], shuffled: object) -> None:
        lines = [one for one in _POOL if _key(one) in moments]
        result = self.home.bring(lines, name=f"{next(self.numbers)}.jsonl", now=self.now)
        assert result.read == len(lines)
        assert result.new == len([one for one in lines if _key(one) not in self.brought])
        self.brought |= moments

    @rule(first=st.sets(st.sampled_from(_MOMENTS), min_size=1), second=st.sets(st.sampled_from(_MOMENTS), min_size=1))
    def queue(self, first: set[tuple[str, str]], second: set[tuple[str, str]]) -> None:
        for moments in (first, second):
            path = self.home.folder / f"{next(self.numbers)}.jsonl"
            write(path, [one for one in _POOL if _key(one) in moments])
            queue_import(self.home.store, self.home.child, path, "queued", by=None, uploaded=False, now=self.now)
        assert not any(isinstance(one, Exception) for one in run_imports(self.home.store, now=self.now))
        self.brought |= first | second

    @precondition(lambda self: bool(self.brought))
    @rule(days=st.integers(1, 40))
    def drop(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.dropped |= drop_expired(self.home.store, self.now) > 0

    @invariant()
    def each_message_once(self) -> None:
        lines = [one for one in _POOL if _key(one) in self.brought]
        assert self.home.count(t.Seen) == len(lines)
        kept = self.home.count(t.Message)
        assert kept <= len(lines) if self.dropped else kept == len(lines)
        with self.home.store.session(read_only=True) as session:
            assert list(broken_lines(session)) == []
            told = session.execute(
                sa.select(t.Alert.relationship, t.Alert.level).order_by(t.Alert.relationship, t.Alert.id)
            ).all()
        assert len(told) == len(set(told))

    @invariant()
    def judged_as_all_at_once(self) -> None:
        found = self.home.assessments()
        expected = self._expected()
        assert set(found) == set(expected)
        for contact, one in expected.items():
            # What is older than what was dropped is heard without what stood around it: whom the child answered there is not known.
            assert found[contact].contact_messages == one.contact_messages
        if not self.dropped:
            assert found == expected

    def _expected(self) -> dict[str, Assessment]:
        lines = [one for one in _POOL if _key(one) in self.brought]
        if not lines:
            return {}
        path = write(self.home.folder / "expected.jsonl", lines)
        gathered = gather([path], Context(zone=zone_of(_ZONE), zone_name=_ZONE), isolated=False)
        engine = Engine(child="aina", zone=_ZONE, conversations=gathered.conversations.values())
        engine.observe_all(sorted(gathered.messages(), key=_order))
        return {one.contact: one for one in engine.assessments()}

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.close()
            self.folder.cleanup()


def _order(message: Message) -> tuple[object, str]:
    return message.sent_at, message.conversation


def test_any_sequence_of_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    monkeypatch.setattr(_ingest, "gather", functools.partial(gather, isolated=False))
    run_state_machine_as_test(
        Ingesting,
        settings=settings(
            max_examples=12,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Making a failing case smaller would take minutes; the steps are printed anyway.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )
