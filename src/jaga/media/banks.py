"""Banks: known hashes with where they came from, in one SQLite file.

An item is one picture or file that somebody knows; it has one hash or several (MD5, SHA-1, PDQ ...). Nothing is ever
deleted. What can change (a bank's settings, whether an item takes part) leaves a line in the history, and the
database itself refuses to change or drop such a line.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from jaga.errors import StoreError, UsageError
from jaga.media._hash_types import hash_type
from jaga.records import Problem

__all__ = [
    "Bank",
    "BankStore",
    "Change",
    "Changed",
    "Event",
    "Exchange",
    "Imported",
    "Item",
    "Key",
    "Known",
    "Meaning",
    "acting",
    "default_store",
    "parsed",
]

Meaning = Literal["bad", "good"]

# 2 added exchanges, keys and settings.
_VERSION = 2
SCOPES = ("match", "curate", "metrics")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_AT_ONCE = 500
# Above it, chance alone makes pictures the same: of 256 bits two unrelated hashes differ in 128 on average.
_WIDEST_BITS = 90

_tables = sa.MetaData()
_banks = sa.Table(
    "banks",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("category", sa.Text),
    sa.Column("severity", sa.Integer),
    sa.Column("jurisdiction", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("threshold_bits", sa.Integer),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("created_at", sa.Text, nullable=False),
)
_items = sa.Table(
    "items",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("bank", sa.ForeignKey("banks.id"), nullable=False, index=True),
    sa.Column("name", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("severity", sa.Integer),
    sa.Column("note", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("added_at", sa.Text, nullable=False),
)
_hashes = sa.Table(
    "hashes",
    _tables,
    # Only ever counts up, and rows stay: an index of the hashes up to one number never has to forget.
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("item", sa.ForeignKey("items.id"), nullable=False, index=True),
    sa.Column("bank", sa.ForeignKey("banks.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("kind", "value", "bank"),
    sqlite_autoincrement=True,
)
_events = sa.Table(
    "events",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("bank", sa.Text),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
# A bank that follows a list which somebody else keeps (jaga.media.exchanges).
_exchanges = sa.Table(
    "exchanges",
    _tables,
    sa.Column("bank", sa.ForeignKey("banks.id"), primary_key=True),
    sa.Column("api", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("removed", sa.Boolean, nullable=False),
    # Where the next fetch goes on, as the source's client words it.
    sa.Column("checkpoint", sa.Text),
    sa.Column("started_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("problem", sa.Text),
    sa.Column("entries", sa.Integer, nullable=False),
)
# Which entry of the source has which hash: two may have the same one, and only when both let go of it does it stop counting.
_references = sa.Table(
    "exchange_references",
    _tables,
    sa.Column("bank", sa.ForeignKey("banks.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("hash", sa.ForeignKey("hashes.id"), primary_key=True, index=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
# Who may ask the server. Only the SHA-256 of a key is kept: it is 256 random bits, which nobody guesses.
_keys = sa.Table(
    "keys",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("per_second", sa.Float),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("revoked_at", sa.Text),
)
_settings = sa.Table(
    "settings", _tables, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
# On whose behalf the banks are changed: the name of the server's key. The history keeps it.
acting: ContextVar[str | None] = ContextVar("acting", default=None)
_REFUSALS = [
    f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} only grow'); END"
    for table, verb in (
        ("events", "UPDATE"),
        ("events", "DELETE"),
        ("hashes", "UPDATE"),
        ("hashes", "DELETE"),
        ("items", "DELETE"),
        ("banks", "DELETE"),
    )
]


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """A set of known items that are treated alike. Times are UTC; None is "not said"."""

    name: str
    # "bad": known abuse material, or whatever else must not circulate. "good": known to be harmless.
    meaning: Meaning = "bad"
    # In the words of whoever keeps the list; an item's own goes before it.
    category: str | None = None
    # 0 to 10, the graver the higher.
    severity: int | None = None
    jurisdiction: str | None = None
    source: str | None = None
    # For near hashes, in place of what their kind says.
    threshold_bits: int | None = None
    # Of the look-ups that a server answers, how many ask this bank: 0 to 1, for trying a new list on a few.
    share: float = 1.0
    enabled: bool = True
    expires_at: datetime | None = None
    created_at: datetime | None = None
    items: int = 0
    hashes: int = 0


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One known thing, as a list gives it. `hashes` are (kind, value) with values as their kind parses them."""

    hashes: tuple[tuple[str, bytes], ...]
    # What the list calls it; not unique.
    name: str | None = None
    category: str | None = None
    severity: int | None = None
    note: str | None = None
    # Where it came from: file and place, or who gave it.
    source: str | None = None
    expires_at: datetime | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A hash of a bank that takes part in matching now."""

    hash_id: int
    item: int
    kind: str
    value: bytes
    bank: str
    meaning: Meaning
    name: str | None
    category: str | None
    severity: int | None
    jurisdiction: str | None
    # The bank's, if it has one.
    threshold_bits: int | None


class Imported(msgspec.Struct, kw_only=True):
    """What became of a list."""

    items: int = 0
    hashes: int = 0
    # Items all of whose hashes the bank had.
    duplicates: int = 0
    # Number of the first item that was added.
    first_item: int | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)
    # Problems beyond those kept in the list.
    more_problems: int = 0


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """How a bank follows a source."""

    # The bank's.
    name: str
    api: str
    settings: dict[str, Any]
    enabled: bool
    checkpoint: Any
    started_at: datetime | None
    ended_at: datetime | None
    problem: str | None
    # Entries that came, over all fetches.
    entries: int

    @property
    def running(self) -> bool:
        return self.started_at is not None and (self.ended_at is None or self.ended_at < self.started_at)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask the server, and what: "match" (hash, look up, read), "curate" (change banks), "metrics"."""

    name: str
    scopes: tuple[str, ...]
    # Requests a second, on average; None is no limit.
    per_second: float | None
    created_at: datetime
    revoked_at: datetime | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a source says of one of its entries now; no items when it withdrew it."""

    key: str
    items: tuple[Item, ...]


class Changed(msgspec.Struct, kw_only=True):
    """What became of changes: hashes new in the bank, no longer counting, and counting again."""

    added: int = 0
    withdrawn: int = 0
    returned: int = 0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history."""

    at: datetime
    what: str
    bank: str | None
    detail: dict[str, Any]


def default_store() -> Path:
    """The folder where banks are kept when none is named: $JAGA_STORE, else the user's data folder."""
    named = os.environ.get("JAGA_STORE")
    if named:
        return Path(named)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "jaga" / "media"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jaga" / "media"


class BankStore:
    """The banks in a folder. Close it, or use it in `with`."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        """Open the banks in `folder`; `create` makes them if there are none. Raises: StoreError, UsageError."""
        self.folder = folder
        self._path = folder / "banks.sqlite"
        fresh = not self._path.exists()
        if fresh and not create:
            raise UsageError("there are no banks here", where=str(folder), remedy="jaga media bank create NAME")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot be made: {error.strerror}", where=str(folder)) from error
        self._engine = sa.create_engine(f"sqlite:///{self._path}", connect_args={"timeout": 30})
        sa.event.listen(self._engine, "connect", _connected)
        sa.event.listen(self._engine, "begin", _begun)
        # Two processes may make the same store: the one that comes second finds it made.
        if self._version(self._reading) < _VERSION:
            self._version(self._writing)

    def __enter__(self) -> BankStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def create(self, bank: Bank) -> Bank:
        """Add an empty bank. Raises: UsageError, if its name is taken or its settings make no sense."""
        _checked(bank)
        with self._writing() as connection:
            if connection.scalar(sa.select(_banks.c.id).where(_banks.c.name == bank.name)) is not None:
                raise UsageError(f"there is a bank named {bank.name!r} already")
            row = {name: getattr(bank, name) for name in _SETTINGS} | {"name": bank.name, "created_at": _now()}
            row["expires_at"] = _text(bank.expires_at)
            connection.execute(sa.insert(_banks).values(row))
            _tell(
                connection, "bank created", bank.name, {name: row[name] for name in _SETTINGS if row[name] is not None}
            )
        return self.bank(bank.name)

    def change(self, name: str, **settings: Any) -> Bank:
        """Change settings of a bank (see Bank). Raises: UsageError."""
        unknown = set(settings) - set(_SETTINGS)
        if unknown:
            raise UsageError(f"a bank has no {', '.join(sorted(unknown))}")
        before = self.bank(name, counted=False)
        after = msgspec.structs.replace(before, **settings)
        _checked(after)
        changed = {
            one: {"from": _plain(getattr(before, one)), "to": _plain(getattr(after, one))}
            for one in settings
            if getattr(before, one) != getattr(after, one)
        }
        if changed:
            with self._writing() as connection:
                values = {one: _plain(getattr(after, one)) for one in changed}
                connection.execute(sa.update(_banks).where(_banks.c.name == name).values(values))
                _tell(connection, "bank changed", name, changed)
        return self.bank(name)

    def banks(self, *, counted: bool = True) -> list[Bank]:
        """Every bank, by name; counting what they hold takes reading all of it, and without it both counts are 0."""
        return self._banks(sa.true(), counted)

    def bank(self, name: str, *, counted: bool = True) -> Bank:
        """One bank. Raises: UsageError, if there is none of this name."""
        for one in self._banks(_banks.c.name == name, counted):
            return one
        have = ", ".join(bank.name for bank in self.banks(counted=False)) or "there are none yet"
        raise UsageError(f"no bank is named {name!r}", remedy=f"banks: {have}")

    def _banks(self, condition: sa.ColumnElement[bool], counted: bool) -> list[Bank]:
        items: Any = sa.literal(0)
        hashes: Any = sa.literal(0)
        if counted:
            items = sa.select(sa.func.count()).where(_items.c.bank == _banks.c.id).scalar_subquery()
            hashes = sa.select(sa.func.count()).where(_hashes.c.bank == _banks.c.id).scalar_subquery()
        query = sa.select(_banks, items.label("items"), hashes.label("hashes")).where(condition).order_by(_banks.c.name)
        with self._reading() as connection:
            return [_bank(row) for row in connection.execute(query).mappings()]

    def add(self, name: str, entries: Iterable[Item | Problem], *, source: str | None = None) -> Imported:
        """Add items to a bank, all in one transaction: a process that dies in the middle has added nothing.

        A hash that the bank has already joins no second item; if its item is of another category, that is told as a
        problem and the first stays. Problems among `entries` are passed on. `source` goes into the history.
        Raises: UsageError, if there is no such bank; StoreError.
        """
        result = Imported()
        with self._writing() as connection:
            row = connection.execute(sa.select(_banks.c.id).where(_banks.c.name == name)).first()
            if row is None:
                raise UsageError(f"no bank is named {name!r}")
            entries = iter(entries)
            while batch := list(islice(entries, _AT_ONCE)):
                _add_batch(connection, row.id, [one for one in batch if isinstance(one, Item)], result)
                for one in batch:
                    if isinstance(one, Problem):
                        _problem(result, one)
            problems = len(result.problems) + result.more_problems
            detail = {
                "items": result.items,
                "hashes": result.hashes,
                "duplicates": result.duplicates,
                "problems": problems,
            }
            _tell(connection, "items added", name, detail | ({"source": source} if source else {}))
        return result

    def enable(self, item: int, enabled: bool, *, reason: str | None = None) -> None:
        """Let an item take part in matching, or not. Raises: UsageError, if there is none."""
        with self._writing() as connection:
            query = sa.select(_banks.c.name).join(_items, _items.c.bank == _banks.c.id).where(_items.c.id == item)
            name = connection.scalar(query)
            if name is None:
                raise UsageError(f"there is no item {item}")
            connection.execute(sa.update(_items).where(_items.c.id == item).values(enabled=enabled))
            detail = {"item": item} | ({"reason": reason} if reason else {})
            _tell(connection, "item enabled" if enabled else "item disabled", name, detail)

    def item(self, number: int) -> tuple[str, Item, bool] | None:
        """(its bank, the item, whether it is enabled); None if there is no such item."""
        query = sa.select(_items, _banks.c.name.label("bank_name")).join(_banks, _items.c.bank == _banks.c.id)
        with self._reading() as connection:
            row = connection.execute(query.where(_items.c.id == number)).mappings().first()
            if row is None:
                return None
            every = sa.select(_hashes).where(_hashes.c.item == number).order_by(_hashes.c.id)
            pairs = tuple((one["kind"], one["value"]) for one in connection.execute(every).mappings())
        return row["bank_name"], _item(row, pairs), row["enabled"]

    def items(self, name: str) -> Iterator[Item]:
        """Everything in a bank, in the order in which it was added, a part at a time. Raises: UsageError."""
        self.bank(name, counted=False)
        last = 0
        query = (
            sa.select(_items)
            .join(_banks, _items.c.bank == _banks.c.id)
            .where(_banks.c.name == name, _items.c.id > sa.bindparam("last"))
            .order_by(_items.c.id)
            .limit(_AT_ONCE)
        )
        while True:
            with self._reading() as connection:
                rows = connection.execute(query, {"last": last}).mappings().all()
                if not rows:
                    return
                numbers = [row["id"] for row in rows]
                found: dict[int, list[tuple[str, bytes]]] = {}
                every = sa.select(_hashes).where(_hashes.c.item.in_(numbers)).order_by(_hashes.c.id)
                for one in connection.execute(every).mappings():
                    found.setdefault(one["item"], []).append((one["kind"], one["value"]))
            for row in rows:
                yield _item(row, tuple(found.get(row["id"], ())))
            last = numbers[-1]

    def history(self, name: str | None = None) -> list[Event]:
        """What was done, oldest first; to one bank, or to all."""
        query = sa.select(_events).order_by(_events.c.id)
        if name is not None:
            query = query.where(_events.c.bank == name)
        with self._reading() as connection:
            return [
                Event(
                    at=datetime.fromisoformat(row["at"]),
                    what=row["what"],
                    bank=row["bank"],
                    detail=msgspec.json.decode(row["detail"]),
                )
                for row in connection.execute(query).mappings()
            ]

    def kinds(self) -> list[str]:
        """Which kinds of hash there are, in any bank."""
        # By skipping from kind to kind: the index on them has a row for each hash.
        kinds: list[str] = []
        with self._reading() as connection:
            while kind := connection.scalar(
                sa.select(sa.func.min(_hashes.c.kind)).where(_hashes.c.kind > (kinds[-1] if kinds else ""))
            ):
                kinds.append(kind)
        return kinds

    def count(self, kind: str) -> int:
        """How many hashes of a kind there are, in any bank."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).where(_hashes.c.kind == kind)) or 0

    def newest(self, kind: str) -> int:
        """The highest hash id of a kind; 0 if there is none."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(_hashes.c.id)).where(_hashes.c.kind == kind)) or 0

    def values(self, kind: str, after: int = 0) -> Iterator[Sequence[tuple[int, bytes]]]:
        """(hash id, value) of every hash of a kind above an id, in order, in lists; of disabled items too."""
        query = (
            sa.select(_hashes.c.id, _hashes.c.value)
            .where(_hashes.c.kind == kind, _hashes.c.id > sa.bindparam("last"))
            .order_by(_hashes.c.id)
            .limit(100_000)
        )
        while True:
            with self._reading() as connection:
                rows = [(row.id, row.value) for row in connection.execute(query, {"last": after})]
            if not rows:
                return
            yield rows
            after = rows[-1][0]

    def exact(
        self, wanted: Sequence[tuple[str, bytes]], banks: Sequence[str] | None = None, *, idle: bool = False
    ) -> list[Known]:
        """What takes part now and has one of these hashes (kind, value). `banks` None is every bank; `idle` as in by_id."""
        by_kind: dict[str, list[bytes]] = {}
        for kind, value in dict.fromkeys(wanted):
            by_kind.setdefault(kind, []).append(value)
        numbers: list[int] = []
        with self._reading() as connection:
            for kind, values in by_kind.items():
                for part in _parts(values):
                    # As in _add_batch: the table's index is of kinds and values. Most files are in no bank, and for
                    # those this is all there is to do.
                    marks = ",".join("?" * len(part))
                    query = f"SELECT id FROM hashes WHERE kind = ? AND value IN ({marks})"  # noqa: S608
                    numbers += connection.exec_driver_sql(query, (kind, *part)).scalars()
        return list(self.by_id(numbers, banks, idle=idle).values())

    def by_id(
        self, hash_ids: Iterable[int], banks: Sequence[str] | None = None, *, idle: bool = False
    ) -> dict[int, Known]:
        """Which of these hashes take part now; with `idle`, what is disabled or over too."""
        found = {}
        for part in _parts(sorted(set(hash_ids))):
            for one in self._known(_hashes.c.id.in_(part), banks, idle):
                found[one.hash_id] = one
        return found

    def _known(self, condition: sa.ColumnElement[bool], banks: Sequence[str] | None, idle: bool) -> Iterator[Known]:
        now = _now()
        query = (
            sa.select(
                _hashes.c.id.label("hash_id"),
                _hashes.c.item,
                _hashes.c.kind,
                _hashes.c.value,
                _banks.c.name.label("bank"),
                _banks.c.meaning,
                _items.c.name,
                sa.func.coalesce(_items.c.category, _banks.c.category).label("category"),
                sa.func.coalesce(_items.c.severity, _banks.c.severity).label("severity"),
                _banks.c.jurisdiction,
                _banks.c.threshold_bits,
            )
            .join(_items, _hashes.c.item == _items.c.id)
            .join(_banks, _hashes.c.bank == _banks.c.id)
            .where(condition)
            .order_by(_hashes.c.id)
        )
        if not idle:
            query = (
                query.where(_items.c.enabled, _banks.c.enabled)
                .where(sa.or_(_items.c.expires_at.is_(None), _items.c.expires_at > now))
                .where(sa.or_(_banks.c.expires_at.is_(None), _banks.c.expires_at > now))
            )
        if banks is not None:
            query = query.where(_banks.c.name.in_(banks))
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                yield Known(**row)

    # ------------------------------------------------------------ exchanges

    def follow(self, name: str, api: str, settings: Mapping[str, Any]) -> Exchange:
        """Let a bank (made if there is none) follow a source. Raises: UsageError, if it follows one already."""
        if not any(one.name == name for one in self.banks(counted=False)):
            self.create(Bank(name=name, source=api))
        text = msgspec.json.encode(settings).decode()
        with self._writing() as connection:
            bank = connection.scalar(sa.select(_banks.c.id).where(_banks.c.name == name))
            row = connection.execute(sa.select(_exchanges).where(_exchanges.c.bank == bank)).mappings().first()
            if row is not None and not row["removed"]:
                raise UsageError(f"the bank {name} follows {row['api']} already")
            values = {"api": api, "settings": text, "enabled": True, "removed": False, "checkpoint": None, "entries": 0}
            if row is None:
                connection.execute(sa.insert(_exchanges).values(bank=bank, **values))
            else:
                values |= {"started_at": None, "ended_at": None, "problem": None}
                connection.execute(sa.update(_exchanges).where(_exchanges.c.bank == bank).values(values))
            _tell(connection, "exchange added", name, {"api": api})
        return self.exchange(name)

    def exchanges(self) -> list[Exchange]:
        """Every bank that follows a source, by name."""
        query = (
            sa.select(_exchanges, _banks.c.name.label("name"))
            .join(_banks, _exchanges.c.bank == _banks.c.id)
            .where(~_exchanges.c.removed)
            .order_by(_banks.c.name)
        )
        with self._reading() as connection:
            return [_exchange(row) for row in connection.execute(query).mappings()]

    def exchange(self, name: str) -> Exchange:
        """One of them. Raises: UsageError, if the bank follows nothing."""
        every = self.exchanges()
        for one in every:
            if one.name == name:
                return one
        raise UsageError(
            f"no exchange is named {name!r}",
            remedy=f"exchanges: {', '.join(e.name for e in every) or 'there are none yet'}",
        )

    def change_exchange(self, name: str, *, enabled: bool | None = None, removed: bool = False) -> None:
        """Stop following for a time, or for good; the bank stays as it is. Raises: UsageError."""
        self.exchange(name)
        values = ({} if enabled is None else {"enabled": enabled}) | ({"removed": True} if removed else {})
        if values:
            self._set_exchange(name, values, "exchange removed" if removed else "exchange changed", values)

    def fetch_begins(self, name: str) -> None:
        """Note that a fetch runs."""
        self._set_exchange(name, {"started_at": _now(), "problem": None})

    def fetch_ended(self, name: str, *, problem: str | None = None) -> None:
        """Note that it ended, well or with a problem."""
        self._set_exchange(name, {"ended_at": _now(), "problem": problem}, "exchange fetched", {"problem": problem})

    def told(self, name: str, item: int, opinion: str) -> None:
        """Note in the history what the source was told."""
        with self._writing() as connection:
            _tell(connection, "exchange told", name, {"item": item, "opinion": opinion})

    def _set_exchange(
        self, name: str, values: dict[str, Any], what: str | None = None, detail: dict[str, Any] | None = None
    ) -> None:
        with self._writing() as connection:
            bank = sa.select(_banks.c.id).where(_banks.c.name == name).scalar_subquery()
            connection.execute(sa.update(_exchanges).where(_exchanges.c.bank == bank).values(values))
            if what is not None:
                _tell(connection, what, name, detail or {})

    def exchange_changes(self, name: str, changes: Sequence[Change], checkpoint: Any) -> Changed:
        """Take in what a source says, and where it goes on, in one transaction."""
        done = Changed()
        with self._writing() as connection:
            bank = connection.scalar(sa.select(_banks.c.id).where(_banks.c.name == name))
            assert bank is not None
            imported = Imported()
            # A key that comes twice in one part: the later word counts.
            latest = {one.key: one for one in changes}
            for part in _parts(list(latest.values())):
                _take_in(connection, bank, part, imported, done)
            done.added = imported.hashes
            values = {
                "checkpoint": None if checkpoint is None else msgspec.json.encode(checkpoint).decode(),
                "entries": _exchanges.c.entries + len(changes),
            }
            connection.execute(sa.update(_exchanges).where(_exchanges.c.bank == bank).values(values))
            if done.added or done.withdrawn or done.returned:
                detail = {"added": done.added, "withdrawn": done.withdrawn, "returned": done.returned}
                _tell(connection, "exchange brought", name, detail)
        return done

    def exchange_only(self, name: str, keys: Collection[str]) -> int:
        """After a whole fetch: withdraw what the source no longer names. How many hashes stopped counting."""
        with self._writing() as connection:
            bank = connection.scalar(sa.select(_banks.c.id).where(_banks.c.name == name))
            assert bank is not None
            query = sa.select(_references.c.key).where(_references.c.bank == bank, _references.c.active).distinct()
            gone = [key for key in connection.scalars(query) if key not in keys]
            done = Changed()
            for part in _parts(gone):
                _take_in(connection, bank, [Change(key=key, items=()) for key in part], Imported(), done)
            if done.withdrawn:
                _tell(connection, "exchange brought", name, {"withdrawn": done.withdrawn})
        return done.withdrawn

    # ------------------------------------------------------------ who may ask the server, and its settings

    def add_key(self, name: str, scopes: Sequence[str], *, per_second: float | None = None) -> str:
        """A new key, which is shown this once. Raises: UsageError."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a key", remedy="letters, digits, _ . and -, at most 64")
        unknown = set(scopes) - set(SCOPES)
        if unknown or not scopes:
            raise UsageError(f"a key is for some of {', '.join(SCOPES)}")
        if per_second is not None and per_second <= 0:
            raise UsageError("a limit is above 0 requests a second")
        token = "jaga_" + secrets.token_urlsafe(32)
        with self._writing() as connection:
            if connection.scalar(sa.select(_keys.c.id).where(_keys.c.name == name)) is not None:
                raise UsageError(f"there is a key named {name!r} already, or was", remedy="choose another name")
            values = {"name": name, "scopes": ",".join(sorted(scopes)), "per_second": per_second, "created_at": _now()}
            connection.execute(sa.insert(_keys).values(hash=_hashed(token), **values))
            _tell(connection, "key added", None, {"key": name, "scopes": values["scopes"]})
        return token

    def every_key(self) -> list[Key]:
        """Every key, those revoked too, in order of age."""
        with self._reading() as connection:
            return [_key(row) for row in connection.execute(sa.select(_keys).order_by(_keys.c.id)).mappings()]

    def key_of(self, token: str) -> Key | None:
        """Whose key it is; None if it is nobody's, or was revoked."""
        query = sa.select(_keys).where(_keys.c.hash == _hashed(token), _keys.c.revoked_at.is_(None))
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
            return None if row is None else _key(row)

    def revoke_key(self, name: str) -> None:
        """From now on it opens nothing. Raises: UsageError, if there is none."""
        with self._writing() as connection:
            query = sa.update(_keys).where(_keys.c.name == name, _keys.c.revoked_at.is_(None)).values(revoked_at=_now())
            if connection.execute(query).rowcount == 0:
                raise UsageError(f"no key is named {name!r}")
            _tell(connection, "key revoked", None, {"key": name})

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting of the server's."""
        with self._reading() as connection:
            found = connection.scalar(sa.select(_settings.c.value).where(_settings.c.name == name))
            return default if found is None else msgspec.json.decode(found)

    def set_setting(self, name: str, value: Any) -> None:
        """Change one; the history keeps it."""
        text = msgspec.json.encode(value).decode()
        with self._writing() as connection:
            statement = "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            connection.exec_driver_sql(statement, (name, text))
            _tell(connection, "setting changed", None, {name: value})

    def _version(self, begin: Callable[[], AbstractContextManager[sa.Connection]]) -> int:
        """The version of the file, 0 if it is empty; writing makes the tables then."""
        with begin() as connection:
            version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version == 0 and sa.inspect(connection).get_table_names():
                raise StoreError("is another program's database", where=str(self._path))
            if version < _VERSION and connection.get_execution_options().get("writes"):
                # Later versions have only added tables so far.
                _tables.create_all(connection)
                if version == 0:
                    for refusal in _REFUSALS:
                        connection.exec_driver_sql(refusal)
                connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
            if version > _VERSION:
                raise StoreError(f"is of version {version}; this Jaga reads {_VERSION}", where=str(self._path))
        return version

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._begun(writes=True) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._begun(writes=False) as connection:
            yield connection

    @contextmanager
    def _begun(self, *, writes: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise StoreError(f"the banks cannot be used: {error.orig}", where=str(self._path)) from error


_SETTINGS = (
    "meaning",
    "category",
    "severity",
    "jurisdiction",
    "source",
    "threshold_bits",
    "share",
    "enabled",
    "expires_at",
)


def _connected(connection: Any, _: Any) -> None:
    # SQLAlchemy begins; the driver must not begin on its own as well.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: sa.Connection) -> None:
    # A writer takes its turn at once: one that reads first and then finds another has written would have to fail.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _add_batch(connection: sa.Connection, bank: int, items: Sequence[Item], result: Imported) -> None:
    wanted: dict[str, list[bytes]] = {}
    for item in items:
        for kind, value in item.hashes:
            wanted.setdefault(kind, []).append(value)
    have: dict[tuple[str, bytes], str | None] = {}
    for kind, values in wanted.items():
        for part in _parts(values):
            # By kind and values, in words of SQLite's own: pairs of both it would look for by reading every row.
            marks = ",".join("?" * len(part))
            query = (
                "SELECT hashes.value, items.category FROM hashes JOIN items ON hashes.item = items.id "  # noqa: S608
                f"WHERE hashes.kind = ? AND hashes.bank = ? AND hashes.value IN ({marks})"
            )
            for value, category in connection.exec_driver_sql(query, (kind, bank, *part)):
                have[kind, value] = category
    now = _now()
    number = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(_items.c.id), 0)))
    assert number is not None
    new_items: list[dict[str, Any]] = []
    new_hashes: list[tuple[int, int, str, bytes]] = []
    for item in items:
        fresh = [pair for pair in dict.fromkeys(item.hashes) if pair not in have]
        known = [have[pair] for pair in item.hashes if pair in have]
        if item.category is not None and any(category not in (None, item.category) for category in known):
            others = ", ".join(sorted({one for one in known if one is not None and one != item.category}))
            what = f"is in the bank as category {others}, here as {item.category}: the first stays"
            _problem(result, Problem(where=item.source or item.name or "item", what=what, skipped=0 if fresh else 1))
        if not fresh:
            result.duplicates += 1
            continue
        number += 1
        if result.first_item is None:
            result.first_item = number
        new_items.append(
            {
                "id": number,
                "bank": bank,
                "name": item.name,
                "category": item.category,
                "severity": item.severity,
                "note": item.note,
                "source": item.source,
                "enabled": True,
                "expires_at": _text(item.expires_at),
                "added_at": now,
            }
        )
        for kind, value in fresh:
            new_hashes.append((number, bank, kind, value))
            have[kind, value] = item.category
    if new_items:
        connection.execute(sa.insert(_items), new_items)
        statement = "INSERT INTO hashes (item, bank, kind, value) VALUES (?, ?, ?, ?)"
        connection.exec_driver_sql(statement, new_hashes)
    result.items += len(new_items)
    result.hashes += len(new_hashes)


def _take_in(
    connection: sa.Connection, bank: int, changes: Sequence[Change], imported: Imported, done: Changed
) -> None:
    _add_batch(connection, bank, [item for one in changes for item in one.items], imported)
    wanted: dict[str, set[tuple[str, bytes]]] = {
        one.key: {pair for item in one.items for pair in item.hashes} for one in changes
    }
    by_kind: dict[str, list[bytes]] = {}
    for pairs in wanted.values():
        for kind, value in pairs:
            by_kind.setdefault(kind, []).append(value)
    numbers: dict[tuple[str, bytes], int] = {}
    for kind, values in by_kind.items():
        for part in _parts(values):
            marks = ",".join("?" * len(part))
            query = f"SELECT id, value FROM hashes WHERE kind = ? AND bank = ? AND value IN ({marks})"  # noqa: S608
            for number, value in connection.exec_driver_sql(query, (kind, bank, *part)):
                numbers[kind, value] = number
    now = {key: {numbers[pair] for pair in pairs} for key, pairs in wanted.items()}
    before: dict[str, set[int]] = {key: set() for key in wanted}
    known = sa.select(_references.c.key, _references.c.hash).where(
        _references.c.bank == bank, _references.c.key.in_(list(wanted)), _references.c.active
    )
    for key, number in connection.execute(known):
        before[key].add(number)
    let_go = [(bank, key, number) for key in wanted for number in before[key] - now[key]]
    taken = [(bank, key, number) for key in wanted for number in now[key] - before[key]]
    if let_go:
        statement = "UPDATE exchange_references SET active = 0 WHERE bank = ? AND key = ? AND hash = ?"
        connection.exec_driver_sql(statement, let_go)
    if taken:
        statement = (
            "INSERT INTO exchange_references (bank, key, hash, active) VALUES (?, ?, ?, 1) "
            "ON CONFLICT DO UPDATE SET active = 1"
        )
        connection.exec_driver_sql(statement, taken)
    for part in _parts(sorted({number for _, _, number in (*let_go, *taken)})):
        marks = ",".join("?" * len(part))
        # An item counts while an entry of the source names one of its hashes.
        query = (
            "SELECT items.id, items.enabled, EXISTS (SELECT 1 FROM exchange_references AS r JOIN hashes AS h ON r.hash = h.id "  # noqa: S608
            "WHERE h.item = items.id AND r.bank = items.bank AND r.active) AS named "
            f"FROM items WHERE items.id IN (SELECT item FROM hashes WHERE id IN ({marks}))"
        )
        for item, enabled, named in connection.exec_driver_sql(query, tuple(part)).all():
            if bool(enabled) != bool(named):
                connection.execute(sa.update(_items).where(_items.c.id == item).values(enabled=bool(named)))
                done.returned += bool(named)
                done.withdrawn += not named


def _exchange(row: Any) -> Exchange:
    return Exchange(
        name=row["name"],
        api=row["api"],
        settings=msgspec.json.decode(row["settings"]),
        enabled=row["enabled"],
        checkpoint=None if row["checkpoint"] is None else msgspec.json.decode(row["checkpoint"]),
        started_at=_time(row["started_at"]),
        ended_at=_time(row["ended_at"]),
        problem=row["problem"],
        entries=row["entries"],
    )


def _problem(result: Imported, problem: Problem) -> None:
    # A list that is broken all through must not fill memory with saying so.
    if len(result.problems) < 1000:
        result.problems.append(problem)
    else:
        result.more_problems += 1


def _parts(every: Sequence[Any]) -> Iterator[Sequence[Any]]:
    # SQLite takes 32,766 values in a statement, and slows down long before.
    for begin in range(0, len(every), _AT_ONCE):
        yield every[begin : begin + _AT_ONCE]


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _key(row: Any) -> Key:
    return Key(
        name=row["name"],
        scopes=tuple(row["scopes"].split(",")),
        per_second=row["per_second"],
        created_at=datetime.fromisoformat(row["created_at"]),
        revoked_at=_time(row["revoked_at"]),
    )


def _tell(connection: sa.Connection, what: str, bank: str | None, detail: dict[str, Any]) -> None:
    by = acting.get()
    if by is not None:
        detail = detail | {"by": by}
    text = msgspec.json.encode(detail).decode()
    connection.execute(sa.insert(_events).values(at=_now(), what=what, bank=bank, detail=text))


def _checked(bank: Bank) -> None:
    if not _NAME.fullmatch(bank.name):
        raise UsageError(f"{bank.name!r} cannot name a bank", remedy="letters, digits, _ . and -, at most 64")
    if bank.meaning not in ("bad", "good"):
        raise UsageError(f"a bank is good or bad, not {bank.meaning!r}")
    if bank.severity is not None and not 0 <= bank.severity <= 10:
        raise UsageError(f"severity {bank.severity}: 0 to 10")
    if bank.threshold_bits is not None and not 0 <= bank.threshold_bits <= _WIDEST_BITS:
        raise UsageError(f"a threshold of {bank.threshold_bits} bits: 0 to {_WIDEST_BITS}")
    if not 0 <= bank.share <= 1:
        raise UsageError(f"a share of {bank.share}: 0 to 1")
    if bank.expires_at is not None and bank.expires_at.tzinfo is None:
        raise UsageError("a time of expiry needs a zone")


def parsed(kind: str, text: str) -> tuple[str, bytes]:
    """(kind, value) of a hash as people write it. Raises: UsageError."""
    one = hash_type(kind)
    return one.name, one.parse(text)


def _bank(row: Any) -> Bank:
    values = {name: row[name] for name in ("name", *_SETTINGS, "items", "hashes")}
    return Bank(**values | {"expires_at": _time(row["expires_at"]), "created_at": _time(row["created_at"])})


def _item(row: Any, hashes: tuple[tuple[str, bytes], ...]) -> Item:
    texts = {name: row[name] for name in ("name", "category", "severity", "note", "source")}
    return Item(hashes=hashes, expires_at=_time(row["expires_at"]), **texts)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _text(time: datetime | None) -> str | None:
    # In UTC, so that text compares as time does.
    return None if time is None else time.astimezone(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _plain(value: Any) -> Any:
    return _text(value) if isinstance(value, datetime) else value
