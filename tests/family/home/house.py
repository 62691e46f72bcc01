"""A house for tests: a family with a parent, a guardian, a told child and the child's own log-in; quick, because guessing costs little in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, start_session
from jaga.store import Cost, Store, add_child, add_family, tell_child
from jaga.store._people import RECOVERY, add_person, new_slot
from jaga.store._tables import Person

__all__ = ["CHEAP", "NOW", "PASSPHRASE", "RECOVERY_CODE", "Clock", "a_house", "client", "csrf_of", "person_id", "post"]

# Argon2id with the least it takes: for tests alone (see jaga.store._keys.Cost).
CHEAP = Cost(memory_kib=64, passes=1, lanes=1)
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
# Of everybody in the house; the child's too.
PASSPHRASE = "four little cats asleep"
RECOVERY_CODE = "7K2M-0000-1111-2222-3333-4444-5555-6666"


# One application for a house: making it is most of what a short test takes.
_apps: WeakKeyDictionary[House, FastAPI] = WeakKeyDictionary()


@dataclass
class Clock:
    """A clock that a test moves by hand."""

    at: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.at

    def go(self, **passed: float) -> None:
        self.at += timedelta(**passed)


def a_house(tmp_path: Path, *, clock: Clock | None = None, language: str = "en") -> House:
    """An open house: family "Rahman"; Siti (parent), Kamal (parent), Tok (guardian), Aina (the child's log-in); Aina, 13, told."""
    clock = Clock() if clock is None else clock
    slot = new_slot()
    store = Store.create(tmp_path / "jaga", PASSPHRASE, slot=slot, cost=CHEAP)
    with store.session() as session:
        family = add_family(session, "Rahman", zone="Asia/Kuala_Lumpur", country="my", now=clock())
        siti = add_person(
            store, session, family.id, "Siti", "parent",
            passphrase=PASSPHRASE, language=language, by=None, now=clock(), slot=slot,
        )  # fmt: skip
        for name, role in (("Kamal", "parent"), ("Tok", "guardian")):
            add_person(
                store, session, family.id, name, "parent" if role == "parent" else "guardian",
                passphrase=PASSPHRASE, language=language, by=siti.id, now=clock(),
            )  # fmt: skip
        child = add_child(
            session, family.id, "Aina", birth="2013-05", accounts=[(None, "Aina")], by=siti.id, now=clock()
        )
        tell_child(session, child.id, by=siti.id, now=clock())
        add_person(
            store, session, family.id, "Aina", "child",
            passphrase=PASSPHRASE, language=language, by=siti.id, now=clock(), child=child.id,
        )  # fmt: skip
        store.keys.lock(RECOVERY, store.key, RECOVERY_CODE, kind="recovery")
    return House(tmp_path / "jaga", store=store, now=clock, cost=CHEAP)


def person_id(house: House, name: str) -> int:
    with house.store.session(read_only=True) as session:
        found = session.scalar(sa.select(Person.id).where(Person.name == name).order_by(Person.id.desc()))
    assert found is not None
    return found


def client(house: House, as_: str | None = "Siti", *, scheme: str = "http") -> TestClient:
    """A browser, logged in as somebody or nobody. It does not follow redirects by itself."""
    if house not in _apps:
        _apps[house] = create_app(house)
    browser = TestClient(_apps[house], base_url=f"{scheme}://127.0.0.1", follow_redirects=False)
    if as_ is not None:
        name = COOKIE if scheme == "http" else f"__Host-{COOKIE}"
        browser.cookies.set(name, start_session(house, person_id(house, as_), "test browser"))
    return browser


def csrf_of(browser: TestClient, page: str) -> str:
    """The token in a page's forms."""
    text = browser.get(page).text
    assert 'name="csrf" value="' in text, text[:500]
    return str(text.split('name="csrf" value="', 1)[1].split('"', 1)[0])


def post(browser: TestClient, path: str, page: str | None = None, **values: object):  # type: ignore[no-untyped-def]
    """Send a form as a browser does: with the token of the `page` that it stands on (default: the same path)."""
    return browser.post(path, data={"csrf": csrf_of(browser, page or path), **values})
