"""Watched folders: brought in once and whole, whatever happens to the folder."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.family.home._folders import STILL_S, Folders, Notices
from jaga.store._tables import Child, Import, Watched
from tests.family.notify.household import Clock, Household


class Seconds:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Watching:
    """One watched folder; `look` lets time go by first."""

    def __init__(self, home: Household, folder: Path) -> None:
        self.home = home
        self.folder = folder
        folder.mkdir()
        self.seconds = Seconds()
        self.folders = Folders(clock=self.seconds)
        with home.store.session() as session:
            session.add(Watched(child=home.child, path=str(folder), every_s=60, known={}))

    def look(self, after_s: float = STILL_S, *, changed: bool = False) -> int:
        self.seconds.at += after_s
        self.home.clock.on(seconds=after_s)
        return self.folders.look(self.home.store, self.home.clock(), changed=changed)

    def queued(self) -> list[str]:
        with self.home.store.session(read_only=True) as session:
            return list(session.scalars(sa.select(Import.name).order_by(Import.id)))

    def problem(self) -> str | None:
        with self.home.store.session(read_only=True) as session:
            return session.scalar(sa.select(Watched.problem))


@pytest.fixture
def watching(home: Household, tmp_path: Path) -> Watching:
    return Watching(home, tmp_path / "exports")


def put(path: Path, text: str, age_s: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if age_s:
        os.utime(path, (time.time() - age_s, time.time() - age_s))


def test_a_file_is_queued_once_it_looked_the_same_twice(watching: Watching) -> None:
    watching.look()
    put(watching.folder / "chat.txt", "one")
    assert watching.look(60) == 0
    assert watching.folders.waits()
    put(watching.folder / "chat.txt", "one two")
    assert watching.look() == 0
    assert watching.look(STILL_S - 1) == 0
    assert watching.look(1) == 1
    assert not watching.folders.waits()
    assert watching.look(3600) == 0
    assert watching.queued() == ["chat.txt"]


def test_it_is_known_after_a_restart_and_read_again_when_it_changed(watching: Watching) -> None:
    put(watching.folder / "chat.txt", "one", age_s=100)
    watching.look()
    watching.look()
    watching.folders = Folders(clock=watching.seconds)
    watching.look(60)
    watching.look()
    assert watching.queued() == ["chat.txt"]
    put(watching.folder / "chat.txt", "one and more")
    watching.look(60)
    watching.look()
    assert watching.queued() == ["chat.txt", "chat.txt"]


def test_a_folder_in_it_is_one_export(watching: Watching) -> None:
    put(watching.folder / "ChatExport_2026-03-01" / "result.json", "{}")
    put(watching.folder / "ChatExport_2026-03-01" / "photos" / "1.jpg", "x")
    watching.look()
    put(watching.folder / "ChatExport_2026-03-01" / "photos" / "2.jpg", "x")
    assert watching.look() == 0
    assert watching.look() == 1
    assert watching.queued() == ["ChatExport_2026-03-01"]


def test_what_is_no_export_or_not_whole_is_left(watching: Watching, tmp_path: Path) -> None:
    for name in (".hidden.txt", "chat.zip.part", "chat.crdownload", "chat.txt~", "Thumbs.db", "desktop.ini"):
        put(watching.folder / name, "x")
    (watching.folder / "empty").mkdir()
    put(tmp_path / "elsewhere" / "diary.txt", "private")
    (watching.folder / "link.txt").symlink_to(tmp_path / "elsewhere" / "diary.txt")
    (watching.folder / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(watching.folder / "pipe")
    watching.look()
    watching.look()
    assert watching.queued() == []


def test_a_folder_that_vanished_is_said_and_found_again(watching: Watching, tmp_path: Path) -> None:
    put(watching.folder / "chat.txt", "one")
    watching.look()
    watching.look()
    watching.folder.rename(tmp_path / "away")
    assert watching.look(60) == 0
    assert watching.problem() == "the folder is not there"
    (tmp_path / "away").rename(watching.folder)
    watching.look(60)
    assert watching.problem() is None
    watching.look()
    assert watching.queued() == ["chat.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_said(watching: Watching) -> None:
    watching.folder.chmod(0)
    try:
        watching.look(60)
        assert watching.problem() == "the folder cannot be read: Permission denied"
    finally:
        watching.folder.chmod(0o700)


def test_nothing_is_read_before_the_child_was_told(watching: Watching) -> None:
    with watching.home.store.session() as session:
        session.execute(sa.update(Child).values(told_at=None))
    put(watching.folder / "chat.txt", "one")
    watching.look(60)
    watching.look(60)
    assert watching.queued() == []
    assert watching.problem() == "the child has not been told that Jaga is there: nothing is read before"
    with watching.home.store.session() as session:
        session.execute(sa.update(Child).values(told_at=watching.home.clock()))
    watching.look(60)
    watching.look()
    assert watching.queued() == ["chat.txt"]
    assert watching.problem() is None


def test_what_never_comes_to_rest_is_said(watching: Watching) -> None:
    for number in range(800):
        put(watching.folder / "log.txt", "x" * number)
        watching.look()
    assert watching.queued() == []
    problem = watching.problem()
    assert problem is not None
    assert "changing for more than an hour" in problem


def test_too_many_files_are_not_walked_through(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaga.family.home._folders._MOST_FILES", 10)
    for number in range(12):
        put(watching.folder / "deep" / f"{number}.txt", "x")
    watching.look(60)
    problem = watching.problem()
    assert problem is not None
    assert "too many files" in problem


def test_looking_in_vain_hardly_ever_writes(watching: Watching) -> None:
    watching.look(60)
    statements: list[str] = []
    sa.event.listen(
        watching.home.store.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *rest: statements.append(statement),
    )
    for _ in range(9):
        watching.look(60)
    assert not [one for one in statements if one.startswith("UPDATE")]
    watching.look(120)
    assert [one for one in statements if one.startswith("UPDATE")]


def test_a_change_is_heard_from_the_system(tmp_path: Path) -> None:
    heard = threading.Event()
    notices = Notices(heard.set)
    notices.watch([tmp_path, tmp_path / "not there"])
    try:
        # The listener needs a moment to be in place; a file is put again and again until it is.
        for number in range(100):
            put(tmp_path / f"{number}.txt", "x")
            if heard.wait(0.3):
                break
        assert heard.is_set()
    finally:
        notices.close()
    assert not any(thread.name == "jaga-notices" for thread in threading.enumerate())


def test_the_clock_of_the_household_may_go_wrong(watching: Watching) -> None:
    put(watching.folder / "chat.txt", "one")
    watching.look()
    watching.home.clock.on(hours=-20)
    assert watching.look() == 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path, clock: Clock) -> Household:
    return Household(tmp_path / "home", clock)
