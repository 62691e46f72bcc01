"""What goes on behind the pages, and that nothing ends it: full disks, wrong clocks, faults of ours, imports that kill their process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jaga.errors import StoreError
from jaga.family.home import House, _worker
from jaga.family.home._job import Order, Result
from jaga.family.home._worker import Worker
from jaga.family.notify import Message
from jaga.store import queue_import
from jaga.store._tables import AuditLine, Delivery, Import
from tests.family.home.process import until
from tests.family.notify.household import Clock, Household

Ask = Callable[[Order, Callable[[], bool]], Result | None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path, clock: Clock) -> Iterator[Household]:
    household = Household(tmp_path / "home", clock)
    household.settings(digest_weekday=None)
    yield household
    household.store.close()


@pytest.fixture
def house(home: Household, clock: Clock) -> House:
    return House(home.store.folder, store=home.store, now=clock)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Heavy work is only noted."""
    orders: list[Order] = []

    def note(order: Order, stopping: Callable[[], bool]) -> Result | None:
        orders.append(order)
        return Result(done=0)

    monkeypatch.setattr(_worker, "do_apart", note)
    return orders


@pytest.fixture
def at_work(house: House) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(**given: Any) -> Worker:
        worker = Worker(house, **{"every_s": 0.05, "settled_s": 1e9, "post": lambda message: None, **given})
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()


def asking(home: Household, tmp_path: Path) -> int:
    return queue_import(home.store, home.child, tmp_path / "x", "x", by=None, uploaded=False, now=home.clock())


def test_a_locked_house_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    worker = Worker(House(tmp_path / "nothing", now=clock), every_s=0.05)
    worker.start()
    time.sleep(0.3)
    worker.stop()
    assert not (tmp_path / "nothing").exists()


def test_what_waits_is_brought_in_by_a_process_that_gets_the_key(
    home: Household, tmp_path: Path, asked: list[Order], at_work: Callable[..., Worker]
) -> None:
    at_work()
    time.sleep(0.3)
    assert asked == []
    asking(home, tmp_path)
    until(lambda: asked)
    assert asked[0] == Order(work="imports", folder=str(home.store.folder), key=home.store.key, url=None)


def test_a_full_disk_is_told_on_the_pages_and_everything_goes_on_when_there_is_room(
    home: Household, house: House, asked: list[Order], at_work: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker, "_AFTER_FAILURE_S", 0.05)
    home.channel("ntfy://x")
    home.alert("urgent")

    # SQLite itself says so: no page may be added, and the log may not grow.
    full = True

    def no_room(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if full and statement.startswith("INSERT"):
            raise sa.exc.OperationalError(statement, {}, Exception("database or disk is full"))

    sa.event.listen(home.store.engine, "before_cursor_execute", no_room)
    taken: list[Message] = []

    def post(message: Message) -> str | None:
        taken.append(message)
        return None

    at_work(post=post)
    until(lambda: "telling" in house.troubles)
    assert "the disk is full" in house.troubles["telling"]
    assert taken == []
    full = False
    until(lambda: taken)
    until(lambda: "telling" not in house.troubles)
    time.sleep(0.2)
    assert len(taken) == 1


def test_a_fault_of_ours_does_not_end_the_telling_and_says_nothing_private(
    home: Household, house: House, asked: list[Order], at_work: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker, "_AFTER_FAILURE_S", 1.0)
    home.channel("ntfy://x")
    home.alert("urgent")
    taken: list[Message] = []

    def post(message: Message) -> str | None:
        taken.append(message)
        if len(taken) == 1:
            raise ZeroDivisionError("ntfy://siti:rahsia@host")
        return None

    at_work(post=post)
    until(lambda: "telling" in house.troubles)
    assert "rahsia" not in house.troubles["telling"]
    home.clock.on(minutes=2)
    until(lambda: len(taken) == 2)

    def written() -> bool:
        with home.store.session(read_only=True) as session:
            return session.scalar(sa.select(sa.func.count(Delivery.id)).where(Delivery.sent_at.is_not(None))) == 1

    until(written)


def test_an_import_that_kills_its_process_again_and_again_is_put_aside(
    home: Household,
    house: House,
    tmp_path: Path,
    at_work: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_worker, "_AFTER_FAILURE_S", 0.05)
    number = asking(home, tmp_path)
    tries: list[Order] = []

    def killed(order: Order, stopping: Callable[[], bool]) -> Result | None:
        tries.append(order)
        with home.store.session() as session:
            session.get_one(Import, number).state = "reading"
        return None

    monkeypatch.setattr(_worker, "do_apart", killed)
    at_work()

    def put_aside() -> bool:
        with home.store.session(read_only=True) as session:
            return session.get_one(Import, number).state == "failed"

    until(put_aside)
    assert len(tries) == 3
    with home.store.session(read_only=True) as session:
        found = session.get_one(Import, number)
        assert found.error is not None
        assert "three times" in found.error
        assert session.scalar(sa.select(sa.func.count(AuditLine.id)).where(AuditLine.what == "import.failed")) == 1
    until(lambda: "bringing in" not in house.troubles)


def test_what_is_old_is_dropped_once_a_day_and_only_while_the_clock_can_be_trusted(
    house: House, asked: list[Order], clock: Clock, at_work: Callable[..., Worker]
) -> None:
    at_work(settled_s=0.3)
    assert asked == []
    until(lambda: len(asked) == 1)
    assert asked[0].work == "retention"
    time.sleep(0.3)
    assert len(asked) == 1
    # Somebody sets the clock: nothing is dropped before it has gone on evenly for a while.
    clock.at += timedelta(days=400)
    time.sleep(0.15)
    assert len(asked) == 1
    until(lambda: len(asked) == 2)


def test_stopping_interrupts_what_is_under_way(
    home: Household, tmp_path: Path, at_work: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking(home, tmp_path)
    began: list[float] = []

    def long(order: Order, stopping: Callable[[], bool]) -> Result | None:
        began.append(time.monotonic())
        while not stopping():
            time.sleep(0.02)
        return None

    monkeypatch.setattr(_worker, "do_apart", long)
    worker = at_work()
    until(lambda: began)
    before = time.monotonic()
    worker.stop()
    assert time.monotonic() - before < 5
    with home.store.session(read_only=True) as session:
        assert session.scalar(sa.select(Import.state)) == "waiting"


def test_a_store_that_fails_in_the_other_process_is_told_here(
    home: Household, house: House, tmp_path: Path, at_work: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking(home, tmp_path)
    problem = str(
        StoreError("the disk is full; nothing was changed", where="/x", remedy="free some space and do it again")
    )
    monkeypatch.setattr(_worker, "do_apart", lambda order, stopping: Result(done=0, problem=problem))
    at_work()
    until(lambda: "bringing in" in house.troubles)
    assert "the disk is full" in house.troubles["bringing in"]


def test_the_real_process_brings_in_and_answers(home: Household) -> None:
    from jaga.family.home._job import do_apart

    order = Order(work="imports", folder=str(home.store.folder), key=home.store.key, url=None)
    assert do_apart(order, lambda: False) == Result(done=0)
    wrong = Order(work="imports", folder=str(home.store.folder), key=bytes(32), url=None)
    answer = do_apart(wrong, lambda: False)
    assert answer is not None
    assert answer.problem is not None
    assert do_apart(order, lambda: True) is None
    assert datetime.now(timezone.utc) > home.clock()
