"""Banks keep everything and say where it came from; what takes part in matching can change, what was done cannot."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jaga.errors import StoreError, UsageError
from jaga.media.banks import Bank, BankStore, Item
from jaga.records import Problem


def md5(number: int) -> tuple[str, bytes]:
    return "md5", number.to_bytes(16, "big")


def pdq(number: int) -> tuple[str, bytes]:
    return "pdq", number.to_bytes(32, "big")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BankStore]:
    with BankStore(tmp_path / "store") as one:
        one.create(Bank(name="seen", category="A", severity=4, jurisdiction="MY", source="an invented list"))
        yield one


def test_a_bank_is_as_it_was_made(store: BankStore) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    store.create(Bank(name="fine", meaning="good", threshold_bits=10, expires_at=until))
    fine, seen = store.banks()
    assert (fine.name, fine.meaning, fine.threshold_bits, fine.expires_at, fine.enabled) == (
        "fine",
        "good",
        10,
        until,
        True,
    )
    assert (seen.category, seen.severity, seen.jurisdiction, seen.source) == ("A", 4, "MY", "an invented list")
    assert seen.created_at is not None
    assert abs(seen.created_at - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("bank", "says"),
    [
        (Bank(name="seen"), "already"),
        (Bank(name="../x"), "cannot name a bank"),
        (Bank(name=""), "cannot name a bank"),
        (Bank(name="a", meaning="evil"), "good or bad"),  # type: ignore[arg-type]
        (Bank(name="a", severity=11), "0 to 10"),
        (Bank(name="a", threshold_bits=91), "0 to 90"),
        (Bank(name="a", share=1.5), "0 to 1"),
        (Bank(name="a", expires_at=datetime(2030, 1, 1)), "zone"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bank: Bank, says: str, store: BankStore) -> None:
    with pytest.raises(UsageError, match=says):
        store.create(bank)
    assert [one.name for one in store.banks()] == ["seen"]


def test_items_come_back_as_they_were_added(store: BankStore) -> None:
    until = datetime(2031, 5, 1, 12, tzinfo=UTC)
    items = [
        Item(
            hashes=(md5(1), pdq(1)),
            name="7",
            category="B",
            severity=2,
            note="n",
            source="list, media 1",
            expires_at=until,
        ),
        Item(hashes=(md5(2),)),
    ]
    result = store.add("seen", items, source="list.json")
    assert (result.items, result.hashes, result.duplicates, result.problems) == (2, 3, 0, [])
    assert list(store.items("seen")) == items
    assert store.item(1) == ("seen", items[0], True)
    assert store.item(3) is None
    assert store.history("seen")[-1].detail == {
        "items": 2, "hashes": 3, "duplicates": 0, "problems": 0, "source": "list.json",
    }  # fmt: skip


def test_more_items_than_one_part_of_reading(store: BankStore) -> None:
    store.add("seen", [Item(hashes=(md5(number),)) for number in range(1201)])
    assert [item.hashes[0] for item in store.items("seen")] == [md5(number) for number in range(1201)]


def test_twice_is_once_and_a_conflict_is_told(store: BankStore) -> None:
    store.add("seen", [Item(hashes=(md5(1), pdq(1)), category="B")])
    again = store.add("seen", [Item(hashes=(md5(1),), category="B"), Item(hashes=(md5(1),))])
    assert (again.items, again.duplicates, again.problems) == (0, 2, [])
    other = store.add("seen", [Item(hashes=(md5(1), md5(5)), category="C", source="list 2, line 3")])
    assert (other.items, other.hashes) == (1, 1)
    assert other.problems == [
        Problem(where="list 2, line 3", what="is in the bank as category B, here as C: the first stays", skipped=0)
    ]
    within = store.add("seen", [Item(hashes=(md5(9),), category="B"), Item(hashes=(md5(9),), category="C")])
    assert (within.items, within.duplicates, len(within.problems)) == (1, 1, 1)


def test_the_same_hash_in_two_banks(store: BankStore) -> None:
    store.create(Bank(name="other", severity=1))
    for name in ("seen", "other"):
        store.add(name, [Item(hashes=(md5(1),))])
    known = store.exact([md5(1), md5(2)])
    assert [(one.bank, one.severity, one.category) for one in known] == [("seen", 4, "A"), ("other", 1, None)]
    assert [one.bank for one in store.exact([md5(1)], ["other"])] == ["other"]
    assert store.exact([("sha1", md5(1)[1])]) == []


def test_what_is_disabled_or_over_takes_no_part(store: BankStore) -> None:
    over, later = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=1)
    store.add(
        "seen",
        [Item(hashes=(md5(1),)), Item(hashes=(md5(2),), expires_at=over), Item(hashes=(md5(3),), expires_at=later)],
    )
    everything = [md5(number) for number in (1, 2, 3)]

    def numbers() -> list[int]:
        return [int.from_bytes(one.value, "big") for one in store.exact(everything)]

    assert numbers() == [1, 3]
    store.enable(1, False, reason="a mistake")
    assert numbers() == [3]
    assert [one.item for one in store.exact(everything, idle=True)] == [1, 2, 3]
    assert list(store.by_id([1, 2, 3])) == [3]
    store.enable(1, True)
    store.change("seen", enabled=False)
    assert numbers() == []
    store.change("seen", enabled=True, expires_at=over)
    assert numbers() == []
    assert [(event.what, event.detail) for event in store.history("seen")][2:5] == [
        ("item disabled", {"item": 1, "reason": "a mistake"}),
        ("item enabled", {"item": 1}),
        ("bank changed", {"enabled": {"from": True, "to": False}}),
    ]


def test_a_change_that_changes_nothing_is_no_event(store: BankStore) -> None:
    before = store.history()
    store.change("seen", severity=4)
    assert store.history() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET what = 'nothing'",
        "DELETE FROM events",
        "UPDATE hashes SET value = x'00'",
        "DELETE FROM hashes",
        "DELETE FROM items",
        "DELETE FROM banks",
    ],
)
def test_the_database_itself_refuses_to_forget(statement: str, store: BankStore) -> None:
    store.add("seen", [Item(hashes=(md5(1),))])
    connection = sqlite3.connect(store.folder / "banks.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="only grow"):
        connection.execute(statement)
    connection.close()


def test_unknown_names_are_said(store: BankStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no bank is named 'x'.*banks: seen"):
        store.bank("x")
    with pytest.raises(UsageError, match="no bank is named"):
        store.add("x", [])
    with pytest.raises(UsageError, match="no colour"):
        store.change("seen", colour="red")
    with pytest.raises(UsageError, match="no item 99"):
        store.enable(99, False)
    with pytest.raises(UsageError, match="no banks here"):
        BankStore(tmp_path / "nowhere", create=False)


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "banks.sqlite")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program's"):
        BankStore(tmp_path)
    (tmp_path / "banks.sqlite").write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        BankStore(tmp_path)


def test_banks_of_a_later_version_are_not_touched(tmp_path: Path) -> None:
    BankStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "banks.sqlite")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreError, match="version 9"):
        BankStore(tmp_path)


def test_an_error_in_the_middle_adds_nothing(store: BankStore) -> None:
    def broken() -> Iterator[Item]:
        for number in range(1500):
            yield Item(hashes=(md5(number),))
        raise OSError("the medium failed")

    with pytest.raises(OSError, match="medium"):
        store.add("seen", broken())
    assert store.bank("seen").items == 0
    assert [event.what for event in store.history()] == ["bank created"]


def test_looking_up_does_not_read_every_hash(store: BankStore) -> None:
    """A hundred look-ups in twenty thousand hashes; reading them all each time takes seconds."""
    store.add("seen", (Item(hashes=(md5(number), pdq(number))) for number in range(10_000)))
    begin = time.perf_counter()
    for number in range(100):
        assert store.exact([("md5", md5(number)[1]), ("sha1", bytes(20))])[0].item == number + 1
    assert time.perf_counter() - begin < 1.5


_ADDER = """
import sys
from pathlib import Path
from jaga.media.banks import BankStore, Item
store = BankStore(Path(sys.argv[1]))
print("ready", flush=True)
turn = 0
while True:
    turn += 1
    store.add("seen", [Item(hashes=(("md5", (turn * 1000 + n).to_bytes(16, "big")),)) for n in range(1000)])
"""


def test_a_process_killed_while_adding_leaves_whole_additions(store: BankStore) -> None:
    for turn in range(5):
        process = subprocess.Popen([sys.executable, "-c", _ADDER, str(store.folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
        try:
            process.wait(timeout=0.05 + 0.06 * turn)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        bank = store.bank("seen")
        assert bank.items == bank.hashes
        assert bank.items % 1000 == 0
        added = [event.detail["items"] for event in store.history() if event.what == "items added"]
        assert sum(added) == bank.items
    assert store.bank("seen").items
