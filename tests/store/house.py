"""Small families and talks for the tests of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import sqlalchemy as sa

from jaga.assessment import Assessment
from jaga.store import Cost, Imported, Store, add_child, add_family, import_paths, load_assessment, tell_child
from jaga.store import _tables as t

__all__ = ["FAST", "NOW", "PASSPHRASE", "Home", "Line", "chat", "line", "talk", "write"]

# Argon2id at a cost that protects nothing, so that tests do not wait for it.
FAST = Cost(memory_kib=8, passes=1, lanes=1)
PASSPHRASE = "kuih lapis dan teh tarik"
NOW = datetime(2026, 4, 1, 9, 0, tzinfo=timezone.utc)
_START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)

Line = dict[str, object]


class Home:
    """Stores of one test; `store` has a family with the child Aina, who was told."""

    def __init__(self, folder: Path, urls: Iterator[str | None]) -> None:
        self.folder = folder
        self._urls = urls
        self._open: list[Store] = []
        self.url = next(urls)
        self.store = self.keep(Store.create(folder / "home", PASSPHRASE, slot="siti", url=self.url, cost=FAST))
        self.family, self.child = self.new_family()

    def new_family(self, *, told: bool = True) -> tuple[int, int]:
        with self.store.session() as session:
            family = add_family(session, "Rahman", zone="Asia/Kuala_Lumpur", country="my", now=NOW - timedelta(days=90))
            return family.id, self.new_child(family.id, told=told, session=session)

    def new_child(self, family: int, *, told: bool = True, session: sa.orm.Session) -> int:
        child = add_child(
            session, family, "Aina", band="13-15", accounts=[(None, "aina")], by=None, now=NOW - timedelta(days=90)
        )
        if told:
            tell_child(session, child.id, by=None, now=NOW - timedelta(days=90))
        return child.id

    def another(self, name: str = "other") -> Home:
        """A second store of the same kind."""
        home = Home.__new__(Home)
        home.folder, home._urls, home._open = self.folder / name, self._urls, self._open
        home.folder.mkdir()
        home.url = next(self._urls)
        home.store = self.keep(Store.create(home.folder / "home", PASSPHRASE, slot="siti", url=home.url, cost=FAST))
        home.family, home.child = home.new_family()
        return home

    def new_url(self) -> str | None:
        return next(self._urls)

    def keep(self, store: Store) -> Store:
        """Closed at the end."""
        self._open.append(store)
        return store

    def close(self) -> None:
        for store in self._open:
            store.close()

    def bring(self, lines: Iterable[Line], *, name: str = "export.jsonl", now: datetime = NOW) -> Imported:
        return import_paths(self.store, self.child, [write(self.folder / name, lines)], now=now, by=None)

    def assessments(self) -> dict[str, Assessment]:
        with self.store.session(read_only=True) as session:
            rows = session.scalars(sa.select(t.Relationship).where(t.Relationship.child == self.child))
            return {row.contact: load_assessment(row.assessment) for row in rows}

    def facts(self) -> dict[str, object]:
        with self.store.session(read_only=True) as session:
            rows = session.scalars(sa.select(t.Relationship).where(t.Relationship.child == self.child))
            return {row.contact: row.facts for row in rows}

    def count(self, table: type[t.Base]) -> int:
        with self.store.session(read_only=True) as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def line(conversation: str, author: str, minute: float, text: str, **more: object) -> Line:
    """A line of the neutral format; minutes count from 1 March 2026."""
    return {
        "conversation": conversation,
        "author": author,
        "time": (_START + timedelta(minutes=minute)).isoformat(),
        "text": text,
        **more,
    }


def talk(conversation: str, said: Sequence[tuple[str, str]], *, start: float = 0, step: float = 1) -> list[Line]:
    return [line(conversation, author, start + at * step, text) for at, (author, text) in enumerate(said)]


def write(path: Path, lines: Iterable[Line]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return path


# What a groomer does, in words that name nothing.
_RAY = (
    ("ray", "hi i saw you in the game, you play so well"),
    ("aina", "haha thanks"),
    ("ray", "how old are you"),
    ("aina", "13"),
    ("ray", "you are so mature for your age"),
    ("ray", "i can top up diamonds for you if you want"),
    ("aina", "really??"),
    ("ray", "yes but dont tell your mum, its our secret"),
    ("aina", "ok"),
    ("ray", "are you home alone ?"),
    ("aina", "yes, why"),
    ("ray", "lets move to telegram, messages disappear there"),
    ("ray", "send me a photo of you, just for me"),
    ("aina", "i dont want to"),
    ("ray", "come on, you promised. nobody will know"),
    ("aina", "no"),
    ("ray", "then i will tell everyone what you wrote"),
)


def chat(conversation: str = "ray", *, start: float = 0, step: float = 1) -> list[Line]:
    """A talk that is worth an alert."""
    return talk(conversation, _RAY, start=start, step=step)
