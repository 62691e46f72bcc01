"""What was uploaded waits encrypted, is read from there, and is gone when it was."""

from __future__ import annotations

import sqlalchemy as sa

from jaga.store import _tables as t
from jaga.store import queue_import, run_imports
from jaga.store._waiting import WaitingFile
from tests.store.house import NOW, Home, chat, write


def _waiting(home: Home, raw: bytes, name: str) -> int:
    with WaitingFile(home.store) as file:
        file.write(raw)
        path = file.finish()
    assert b"mature" not in path.read_bytes()
    return queue_import(home.store, home.child, path, name, by=1, uploaded=True, now=NOW)


def test_an_upload_is_read_and_removed(home: Home) -> None:
    raw = write(home.folder / "chat.jsonl", chat()).read_bytes()
    number = _waiting(home, raw, "My chat.jsonl")
    (result,) = run_imports(home.store, now=NOW)
    assert not isinstance(result, Exception)
    assert result.new == 17
    assert [one.path for one in result.inputs] == ["My chat.jsonl"]
    assert list((home.store.folder / "waiting").iterdir()) == []
    with home.store.session(read_only=True) as session:
        original = session.scalars(sa.select(t.Original)).one()
        assert (original.name, original.kept_where, original.size_bytes) == ("My chat.jsonl", None, len(raw))
        assert session.get_one(t.Import, number).state == "done"


def test_an_upload_that_cannot_be_read_says_why_under_its_own_name(home: Home) -> None:
    number = _waiting(home, b"this is no chat", "holiday.txt")
    (result,) = run_imports(home.store, now=NOW)
    assert isinstance(result, Exception)
    assert list((home.store.folder / "waiting").iterdir()) == []
    with home.store.session(read_only=True) as session:
        row = session.get_one(t.Import, number)
        assert row.state == "failed"
        assert row.error is not None
        assert row.error.startswith("holiday.txt: is not a chat export")


def test_an_upload_waits_on_while_the_family_is_asked_who_the_child_is(home: Home) -> None:
    with home.store.session() as session:
        session.execute(sa.delete(t.ChildAccount))
    number = _waiting(home, write(home.folder / "chat.jsonl", chat()).read_bytes(), "chat.jsonl")
    (result,) = run_imports(home.store, now=NOW)
    assert isinstance(result, Exception)
    assert len(list((home.store.folder / "waiting").iterdir())) == 1
    with home.store.session() as session:
        row = session.get_one(t.Import, number)
        assert set(row.people) == {"aina", "ray"}
        session.add(t.ChildAccount(child=home.child, platform=None, author="aina"))
        row.state = "waiting"
    (again,) = run_imports(home.store, now=NOW)
    assert not isinstance(again, Exception)
    assert again.new == 17
    assert list((home.store.folder / "waiting").iterdir()) == []
