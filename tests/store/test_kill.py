"""kill -9 at random moments of taking in, judging anew, dropping and changing the key: nothing is lost, nothing is doubled.

A handful of kills here; `make kill` does two hundred (KILLS sets how many).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jaga.store import (
    Store,
    _ingest,
    _retention,
    alert_messages,
    broken_lines,
    change_key,
    drop_expired,
    import_paths,
    queue_import,
    run_imports,
)
from jaga.store import _tables as t
from tests.store.house import NOW, PASSPHRASE, Home, Line, chat, line, talk, write

if not hasattr(os, "fork"):
    pytest.skip("kill -9 is of Unix", allow_module_level=True)

KILLS = int(os.environ.get("KILLS", "0"))
_DROPPED_AT = NOW + timedelta(days=40)

_FRIENDS = [
    one
    for number in range(6)
    for one in talk(
        f"friend{number}",
        [(f"friend{number}", "did you do page 12"), ("aina", "ya"), (f"friend{number}", "thanks!!"), ("aina", "np")]
        * 4,
        start=number * 3,
        step=11,
    )
]
_GROUP = [line("class", f"friend{at % 6}", at * 17, f"line {at} of the class", kind="group") for at in range(40)]
_LINES: list[Line] = [*chat(step=19), *_FRIENDS, *_GROUP, *chat("ray2", start=400, step=3)]
# What comes in last lies in the middle, so that much is judged anew.
_LATE = [one for at, one in enumerate(_LINES) if at % 5 == 0]
_FIRST = [one for at, one in enumerate(_LINES) if at % 5]
_BETWEEN = line("ray", "ray", 19 * 9 + 1, "answer me")


def _work(folder: Path, key: bytes, url: str | None, step: str) -> None:
    store = Store.open_with_key(folder, key, url=url)
    if step == "drop":
        drop_expired(store, _DROPPED_AT)
    else:
        results = run_imports(store, now=_DROPPED_AT if step == "again" else NOW)
        assert not any(isinstance(one, Exception) for one in results)
    store.close()


def _killed(work: Callable[[], None], chance: random.Random, longest_s: float, statements: int) -> bool:
    """Do it in a process of its own, which dies at a random moment or before a random statement; whether it died."""
    pid = os.fork()
    if pid == 0:
        try:
            if chance.random() < 0.5:
                _die_before(chance.randrange(1, statements))
            work()
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    # The same draws as in the child, so that each run is another one.
    if chance.random() < 0.5:
        chance.randrange(1, statements)
    else:
        time.sleep(chance.uniform(0, longest_s))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _die_before(number: int) -> None:
    left = [number]

    def count(*ignored: Any) -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, moment, count)


def _state(home: Home) -> dict[str, Any]:
    with home.store.session(read_only=True) as session:
        assert list(broken_lines(session)) == []
        alerts = [
            (contact, alert.level, len(alert_messages(session, alert.id, context=False)))
            for alert, contact in session.execute(
                sa.select(t.Alert, t.Relationship.contact).join(t.Relationship).order_by(t.Alert.id)
            )
        ]
        for alert in session.scalars(sa.select(t.Alert.id)):
            assert all(one.intact for one in alert_messages(session, alert, context=True))
        digests = session.scalars(sa.select(t.Message.digest).order_by(t.Message.digest)).all()
        seen = session.scalars(sa.select(t.Seen.digest).order_by(t.Seen.digest)).all()
        stale = session.scalars(sa.select(t.Conversation.id).where(t.Conversation.stale)).all()
    assert stale == []
    return {
        "assessments": home.assessments(),
        "facts": home.facts(),
        "alerts": alerts,
        "messages": digests,
        "seen": seen,
    }


def _prepared(home: Home) -> None:
    for name, lines in (("first", _FIRST), ("late", _LATE)):
        path = write(home.folder / f"{name}.jsonl", lines)
        queue_import(home.store, home.child, path, name, by=None, uploaded=False, now=NOW)


def _story(home: Home, steps: Callable[[str], None]) -> list[dict[str, Any]]:
    """Take in, drop, and take in a line that makes judging start from what is folded; how it looks after each."""
    _prepared(home)
    states: list[dict[str, Any]] = []
    for step in ("import", "drop", "again"):
        if len(states) == 2:
            path = write(home.folder / "between.jsonl", [_BETWEEN])
            queue_import(home.store, home.child, path, "between", by=None, uploaded=False, now=_DROPPED_AT)
        home.store.engine.dispose()
        steps(step)
        states.append(_state(home))
    return states


def _counted(home: Home, step: str) -> tuple[float, int]:
    """How long a step takes when nobody disturbs it, and how many statements it runs."""
    count = [0]

    def one(*ignored: Any) -> None:
        count[0] += 1

    moments = ("before_cursor_execute", "after_cursor_execute", "commit")
    for moment in moments:
        sa.event.listen(sa.Engine, moment, one)
    began = time.perf_counter()
    _work(home.store.folder, home.store.key, home.url, step)
    took = time.perf_counter() - began
    for moment in moments:
        sa.event.remove(sa.Engine, moment, one)
    return took, count[0]


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ingest, "BATCH", 16)
    monkeypatch.setattr(_retention, "BATCH", 16)


@pytest.mark.usefixtures("_small_batches")
def test_killed_anywhere_it_ends_as_if_never_killed(home: Home) -> None:
    whole = home.another("undisturbed")
    measured: list[tuple[float, int]] = []
    expected = _story(whole, lambda step: measured.append(_counted(whole, step)))
    assert len(expected[0]["messages"]) == len(expected[0]["seen"]) == len(_LINES)
    assert len(expected[1]["messages"]) < len(_LINES)
    assert expected[2]["assessments"]["ray"].messages == expected[0]["assessments"]["ray"].messages + 1
    chance = random.Random(os.environ.get("SEED", "7"))
    wanted = max(KILLS // 2, 6)
    kills = rounds = 0
    while kills < wanted:
        rounds += 1
        one = home.another(f"round{rounds}")
        at = iter(measured)

        def steps(step: str, one: Home = one, at: Any = at) -> None:
            nonlocal kills
            took, statements = next(at)
            # Again and again until it gets through; each attempt finds more done.
            for _ in range(200):
                if not _killed(
                    lambda: _work(one.store.folder, one.store.key, one.url, step), chance, took * 1.2, statements
                ):
                    return
                kills += 1
                one.store.engine.dispose()
            raise AssertionError("never got through")

        found = _story(one, steps)
        for before, after in zip(expected, found, strict=True):
            assert after == before
        one.store.close()
        shutil.rmtree(one.folder)
    print(f"{kills} kills in {rounds} rounds")


def test_killed_while_the_key_changes_it_opens(cipher_home: Home) -> None:
    home = cipher_home
    home.bring([*_LINES, *talk("long", [("zul", "x" * 3000)] * 400, start=9000)])
    before = home.assessments()
    home.store.close()
    chance = random.Random(3)
    began = time.perf_counter()
    store = Store.open(home.store.folder, PASSPHRASE)
    change_key(store, by=None, now=NOW)
    store.close()
    took = time.perf_counter() - began
    died = 0

    def work() -> None:
        store = Store.open(home.store.folder, PASSPHRASE)
        change_key(store, by=None, now=NOW)
        store.close()

    for _ in range(max(4, KILLS // 8)):
        died += _killed(work, chance, took * 1.2, 40)
        home.store = Store.open(home.store.folder, PASSPHRASE)
        assert home.assessments() == before
        with home.store.session(read_only=True) as session:
            assert list(broken_lines(session)) == []
            assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        home.store.close()
    assert died


def test_killed_while_a_store_is_made_it_can_be_made(cipher_home: Home) -> None:
    from tests.store.house import FAST

    chance = random.Random(5)
    for number in range(max(4, KILLS // 20)):
        folder = cipher_home.folder / f"made{number}"

        def work(folder: Path = folder) -> None:
            Store.create(folder, PASSPHRASE, slot="siti", cost=FAST).close()

        _killed(work, chance, 0.3, 150)
        store = (
            Store.open(folder, PASSPHRASE)
            if Store.exists(folder)
            else Store.create(folder, PASSPHRASE, slot="siti", cost=FAST)
        )
        with store.session(read_only=True) as session:
            assert session.scalars(sa.select(t.Family)).all() == []
        store.close()


def test_an_import_that_was_interrupted_is_taken_up_although_its_file_is_gone(home: Home, monkeypatch: Any) -> None:
    """What was taken in by then is judged all the same."""
    monkeypatch.setattr(_ingest, "BATCH", 16)
    home.bring(_FIRST, name="first.jsonl")
    path = write(home.folder / "late.jsonl", _LATE)
    monkeypatch.setattr(_ingest, "rejudge", _stop)
    with pytest.raises(KeyboardInterrupt):
        import_paths(home.store, home.child, [path], now=NOW, by=None)
    monkeypatch.undo()
    path.unlink()
    (result,) = run_imports(home.store, now=NOW)
    assert isinstance(result, Exception)
    whole = home.another()
    whole.bring(_LINES)
    assert home.assessments() == whole.assessments()


def _stop(*ignored: Any, **also: Any) -> None:
    raise KeyboardInterrupt
