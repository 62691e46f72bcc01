"""A store with one family and a clock that the test turns."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jaga.store import Store
from jaga.store._tables import Alert, Channel, Child, Family, Person, Relationship

PASSPHRASE = "empat perkataan yang panjang"
# What must never stand in a message that leaves the house.
NAMES = ("Aina", "KingRay", "Siti", "Osman", "Keluarga")


class Clock:
    """Noon in Kuala Lumpur, a Wednesday."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 4, 4, 0, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.at

    def on(self, **by: float) -> None:
        self.at += timedelta(**by)


class Household:
    """Siti and Osman, parents of Aina."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.store = Store.create(folder, PASSPHRASE, slot="siti")
        with self.store.session() as session:
            family = Family(
                name="Keluarga Siti", zone="Asia/Kuala_Lumpur", country="my", created_at=clock(), settings={}
            )
            session.add(family)
            session.flush()
            people = [
                Person(family=family.id, name=name, role=role, language=language, created_at=clock())
                for name, role, language in (("Siti", "parent", "ms"), ("Osman", "parent", "en"))
            ]
            child = Child(family=family.id, name="Aina", band="13-15", created_at=clock(), told_at=clock(), settings={})
            session.add_all([*people, child])
            session.flush()
            self.family, self.child = family.id, child.id
            self.siti, self.osman = (one.id for one in people)

    def settings(self, **settings: Any) -> None:
        with self.store.session() as session:
            family = session.get(Family, self.family)
            assert family is not None
            family.settings = {**family.settings, **settings}

    def channel(self, url: str, *, person: int | None = None, **given: Any) -> int:
        values = {"name": "Telefon", "says": "free", "least": "concern", "enabled": True, **given}
        with self.store.session() as session:
            channel = Channel(
                person=self.osman if person is None else person, url=url, created_at=self.clock(), **values
            )
            session.add(channel)
            session.flush()
            return channel.id

    def alert(self, level: str = "concern") -> int:
        with self.store.session() as session:
            relationship = session.scalar(sa.select(Relationship).where(Relationship.child == self.child))
            if relationship is None:
                relationship = Relationship(
                    child=self.child,
                    contact="KingRay",
                    name="KingRay",
                    state=b"",
                    assessment=b"",
                    level=level,
                    score=0.9,
                    messages=9,
                    facts={},
                )
                session.add(relationship)
                session.flush()
            alert = Alert(
                child=self.child,
                relationship=relationship.id,
                level=level,
                at=self.clock(),
                assessment=b"",
                evidence=[],
                context=[],
                state="new",
                state_at=self.clock(),
            )
            session.add(alert)
            session.flush()
            return alert.id

    def answer(self, alert: int, state: str, by: int) -> None:
        with self.store.session() as session:
            session.execute(sa.update(Alert).where(Alert.id == alert).values(state=state, state_by=by))
