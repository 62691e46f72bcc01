"""Bringing exports in: each message once, judged in time order, saved together with what became of the relationships.

A batch is one transaction: messages, their ids, the engine's state, alerts and how far the import is. A crash at any moment leaves
whole batches; reading the same files again goes on where it stopped, because what was taken in is known by its id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import orm

from jaga.assessment import Assessment, find_child
from jaga.errors import JagaError, StoreError, UnreadableInput, UsageError
from jaga.records import Conversation, Message
from jaga.sources import Context, Gathered, InputSummary, gather, zone_of
from jaga.store import _tables as t
from jaga.store._ages import ADULT, age_on, settings_at
from jaga.store._alerts import grow_alerts, raise_alerts, settle
from jaga.store._audit import audit
from jaga.store._clock import check_clock
from jaga.store._database import Store
from jaga.store._families import add_account
from jaga.store._hearing import Hearing, in_parts, micros, pack, plain
from jaga.store._originals import Originals, originals_of
from jaga.store._rejudge import rejudge, retune, tells
from jaga.store._tuning import tuning_of
from jaga.store._waiting import opened, waiting_folder

__all__ = ["Imported", "import_paths", "queue_import", "run_imports"]

# Large enough that saving states is a small part of the work, small enough that a page never waits long for its turn to write.
BATCH = 5_000
_UTC = timezone.utc
_by_place = attrgetter("conversation")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What one import brought."""

    import_id: int
    inputs: tuple[InputSummary, ...]
    # Messages in the files, each counted once; those that were new; those never read, because their writer is protected.
    read: int
    new: int
    skipped: int
    # New alerts, in the order in which they rose.
    alerts: tuple[int, ...]
    # Contacts whose relationship has new messages or was judged anew.
    relationships: tuple[str, ...]
    # The child's author ids as taken, and how they were found: see jaga.assessment.Owner.
    child: tuple[str, ...]
    how: str


def import_paths(
    store: Store,
    child_id: int,
    paths: Sequence[Path],
    *,
    now: datetime,
    by: int | None,
    uploaded: bool = False,
    names: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Read files or folders and take in what is new. The same or overlapping exports again add nothing and lose nothing.

    `names`: author ids or names of the child in these files, where they are not known yet; they are remembered.
    `progress` hears the number of messages taken in. One import runs at a time; another one waits.
    Raises: UsageError, if the child was not told yet or cannot be told from others in the files; StoreError.
    """
    import_id = _ask(store, child_id, [path.absolute() for path in paths], None, by=by, uploaded=uploaded, now=now)
    return _run(store, import_id, now=now, names=names, progress=progress)


def queue_import(
    store: Store, child_id: int, path: Path, name: str, *, by: int | None, uploaded: bool, now: datetime
) -> int:
    """Note something to be taken in by `run_imports`; the import's id. Raises: UsageError, StoreError."""
    return _ask(store, child_id, [path.absolute()], name, by=by, uploaded=uploaded, now=now)


def run_imports(
    store: Store, *, now: datetime, progress: Callable[[int, int], None] | None = None
) -> list[Imported | JagaError]:
    """Take in what waits, and what a stop interrupted, in the order asked. One that fails is noted in its row, and the next one runs.

    `progress` hears (import id, messages taken in).
    """
    with store.session(read_only=True) as session:
        waiting = list(
            session.scalars(
                sa.select(t.Import.id).where(t.Import.state.in_(("waiting", "reading"))).order_by(t.Import.id)
            )
        )
    results: list[Imported | JagaError] = []
    for import_id in waiting:
        heard = None if progress is None else _for(progress, import_id)
        try:
            results.append(_run(store, import_id, now=now, names=None, progress=heard))
        except JagaError as error:
            results.append(error)
    return results


def _for(progress: Callable[[int, int], None], import_id: int) -> Callable[[int], None]:
    return lambda count: progress(import_id, count)


def _ask(
    store: Store,
    child_id: int,
    paths: Sequence[Path],
    name: str | None,
    *,
    by: int | None,
    uploaded: bool,
    now: datetime,
) -> int:
    if not paths:
        raise UsageError("nothing to read", remedy="name a file or a folder")
    with store.session() as session:
        child = _told(session, child_id, now)
        check_clock(session, now)
        asked = t.Import(
            child=child_id,
            by=by,
            path=_one_text(paths),
            name=plain(name or ", ".join(path.name for path in paths)),
            uploaded=uploaded,
            state="waiting",
            asked_at=now,
            done_at=None,
            inputs=[],
            error=None,
            people=[],
            found={},
        )
        session.add(asked)
        session.flush()
        audit(session, "import.asked", at=now, family=child.family, person=by, subject=f"import:{asked.id}")
        return asked.id


def _one_text(paths: Sequence[Path]) -> str:
    # An absolute path never begins with a bracket.
    if len(paths) == 1:
        return os.fspath(paths[0])
    return msgspec.json.encode([os.fspath(path) for path in paths]).decode()


def _paths(text: str) -> list[Path]:
    if text.startswith("["):
        return [Path(path) for path in msgspec.json.decode(text, type=list[str])]
    return [Path(text)]


def _told(session: orm.Session, child_id: int, now: datetime) -> t.Child:
    child = session.get(t.Child, child_id)
    if child is None:
        raise UsageError("no such child", remedy="look it up anew")
    if child.told_at is None:
        raise UsageError(
            f"{child.name} was not told yet that Jaga is there",
            remedy="tell your child first, then note it on the child's page; nothing is read before",
        )
    if (age_on(child, now.date()) or 0) >= ADULT:
        raise UsageError(f"{child.name} is grown up", remedy="Jaga is for children: nothing more is read")
    return child


# ------------------------------------------------------------ one import


def _run(
    store: Store,
    import_id: int,
    *,
    now: datetime,
    names: Sequence[str] | None,
    progress: Callable[[int], None] | None,
) -> Imported:
    try:
        with store.importing():
            return _Importing(store, import_id, now, progress).run(names)
    except JagaError as error:
        # Where the store itself failed, this fails too: then the row still says that the import is not done, and it is taken up again.
        if not isinstance(error, StoreError):
            with store.session() as session:
                row = session.get_one(t.Import, import_id)
                row.state, row.error, row.done_at = "failed", plain(str(error)), now
                family = session.get_one(t.Child, row.child).family
                audit(session, "import.failed", at=now, family=family, person=row.by, subject=f"import:{import_id}")
        raise


class _Importing:
    def __init__(self, store: Store, import_id: int, now: datetime, progress: Callable[[int], None] | None) -> None:
        self.store = store
        self.import_id = import_id
        self.now = now
        self.progress = progress
        with store.session() as session:
            row = session.get_one(t.Import, import_id)
            child = _told(session, row.child, now)
            family = session.get_one(t.Family, child.family)
            check_clock(session, now)
            row.state = "reading"
            self.child = row.child
            self.name = child.name
            self.by = row.by
            self.paths = _paths(row.path)
            self.uploaded = row.uploaded
            self.title = row.name
            self.family = family.id
            self.zone = family.zone
            self.settings = settings_at(family, child, now)
            self.tuning = tuning_of(session, family)
            self.accounts = [
                (one.platform, one.author)
                for one in session.scalars(sa.select(t.ChildAccount).where(t.ChildAccount.child == row.child))
            ]
            self.protected = tuple(
                session.scalars(
                    sa.select(t.Trusted.contact).where(t.Trusted.child == row.child, t.Trusted.kind == "protected")
                )
            )
        self.read = self.new = self.skipped = 0
        self.alerts: list[int] = []
        self.changed: dict[str, None] = {}

    def run(self, names: Sequence[str] | None) -> Imported:
        if not self._waits():
            return self._read(self.paths, names)
        (path,) = self.paths
        try:
            with opened(self.store, path, self.title) as plain_path:
                done = self._read([plain_path], names)
        except UnreadableInput:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
        return done

    def _waits(self) -> bool:
        """Whether it lies encrypted where uploads wait."""
        return self.uploaded and [path.parent for path in self.paths] == [waiting_folder(self.store)]

    def _read(self, paths: Sequence[Path], names: Sequence[str] | None) -> Imported:
        originals = originals_of(paths, kept=not self.uploaded)
        gathered = gather(paths, Context(zone=zone_of(self.zone), zone_name=self.zone), cover=_Hidden())
        try:
            originals.check()
            if self._waits():
                self._name(gathered, paths[0])
            if not gathered.units:
                # What an earlier attempt took in is judged all the same.
                rejudge(self.store, self.child, now=self.now)
                raise self._nothing(gathered)
            _fit_all(gathered)
            ids, how = self._child(gathered, names)
            if not ids:
                return self._done(gathered, ids, how)
            refused = _Refused(self.protected, ids, gathered)
            hearing = Hearing(self.child, ids, self.zone, tuning=self.tuning)
            rows = self._begin(hearing, gathered, refused, originals)
            for batch in in_parts(_in_order(gathered.placed()), BATCH):
                self._take_in(hearing, gathered, batch, refused, rows)
                if self.progress is not None:
                    self.progress(self.read)
        finally:
            gathered.close()
        again, alerts = rejudge(self.store, self.child, now=self.now)
        self.alerts += alerts
        self.alerts += retune(self.store, self.child, now=self.now)
        self.changed.update(dict.fromkeys(again))
        return self._done(gathered, ids, how)

    def _name(self, gathered: Gathered, path: Path) -> None:
        """Say what the person who brought it in calls it, not where it lay while it was read."""

        def named(text: str) -> str:
            return text.replace(os.fspath(path), self.title)

        for item in gathered.inputs:
            item.path = named(item.path)
            item.problems = [
                msgspec.structs.replace(one, where=named(one.where), what=named(one.what)) for one in item.problems
            ]

    def _nothing(self, gathered: Gathered) -> UnreadableInput:
        with self.store.session() as session:
            session.get_one(t.Import, self.import_id).inputs = _plainly(msgspec.to_builtins(gathered.inputs))
        problem = next((one for item in gathered.inputs for one in item.problems), None)
        if problem is None:
            return UnreadableInput("nothing to read", where=self.title)
        return UnreadableInput(problem.what, where=problem.where)

    def _child(self, gathered: Gathered, names: Sequence[str] | None) -> tuple[tuple[str, ...], str]:
        """The child's author ids: those known, those given, and whoever an export says that it belongs to.

        Only where nobody is known is whoever is in most conversations taken for the child.
        """
        platforms = {one.platform for one in gathered.conversations.values()}
        named = [author for platform, author in self.accounts if platform is None or platform in platforms]
        owner = find_child([*named, *(names or ())], gathered.conversations, gathered.accounts, gathered.authors)
        on = {platform for platform, author in gathered.accounts if author in owner.ids}
        on.update(
            one.platform
            for digest, one in gathered.conversations.items()
            if any(author in owner.ids for author in (*one.participants, *gathered.authors.get(digest, ())))
        )
        ids = dict.fromkeys(owner.ids)
        how: str = owner.how
        for (platform, author), account in gathered.accounts.items():
            if account.relation == "owner" and platform not in on:
                ids[author] = None
                how = "stated"
        if how == "unclear":
            self._ask_who(gathered, owner.candidates)
        if not ids:
            return (), how
        # All that are known, in the order in which they became known: relationships are judged with the same ones every time.
        known = (author for _, author in self.accounts)
        return tuple(dict.fromkeys(plain(one) for one in (*known, *ids))), how

    def _ask_who(self, gathered: Gathered, candidates: Sequence[str]) -> None:
        called = {author: account.name for (_, author), account in gathered.accounts.items() if account.name}
        people = [called.get(one) or one for one in candidates]
        with self.store.session() as session:
            session.get_one(t.Import, self.import_id).people = [plain(one) for one in people]
        raise UsageError(
            f"cannot tell which of them is {self.name}: {', '.join(people[:5])}",
            remedy="say under which name your child writes there",
        )

    def _begin(self, hearing: Hearing, gathered: Gathered, refused: _Refused, originals: Originals) -> list[int | None]:
        """Note the files, conversations and accounts; the original (row id) of each unit."""
        conversations = {
            digest: refused.without(gathered.conversations.get(digest), digest, gathered)
            for digest in dict.fromkeys((*gathered.conversations, *gathered.authors))
            if digest not in refused.conversations
        }
        authors = dict.fromkeys(
            author for digest in conversations for author in gathered.authors.get(digest, ()) if author
        )
        with self.store.session() as session:
            for author in hearing.ids:
                if not any(known == author for _, known in self.accounts):
                    add_account(session, self.child, None, author)
            _merge_accounts(session, self.child, gathered, refused)
            _merge_conversations(session, self.child, hearing.ids, conversations)
            rows = originals.save(session, self.child, self.import_id, self.title, self.now, gathered.units)
            hearing.load(session, conversations, authors)
        return rows

    def _take_in(
        self,
        hearing: Hearing,
        gathered: Gathered,
        batch: Sequence[tuple[int, Message]],
        refused: _Refused,
        originals: Sequence[int | None],
    ) -> None:
        self.read += len(batch)
        offered: dict[bytes, tuple[int, Message]] = {}
        for unit, message in batch:
            if refused(message):
                self.skipped += 1
                continue
            message = _fit(message)
            offered.setdefault(bytes.fromhex(message.id), (unit, message))
        with self.store.session(read_only=True) as session:
            known = _seen(session, self.child, list(offered))
        at = micros(self.now)
        rows: list[tuple[Any, ...]] = []
        risen: list[Assessment] = []
        for digest, (unit, message) in offered.items():
            if digest in known:
                continue
            rose = hearing.hear(message)
            if rose is not None:
                risen.append(rose)
            rows.append(
                (
                    *(self.child, digest, hearing.places[message.conversation].row, message.author),
                    *(micros(message.sent_at), pack(message), originals[unit], at, None, False),
                )
            )
        self.changed.update(dict.fromkeys(hearing.touched))
        with self.store.session() as session:
            if rows:
                _insert(session, rows)
                told = [one for one in risen if tells(hearing, one, self.settings)]
                going_on = hearing.told()
                hearing.save(session)
                self.alerts += raise_alerts(session, self.child, told, now=self.now)
                grow_alerts(session, self.child, going_on)
                settle(session, self.child)
            self.new += len(rows)
            row = session.get_one(t.Import, self.import_id)
            row.read = self.read
            row.new += len(rows)
            if row.found.get("skipped") != self.skipped:
                row.found = {**row.found, "skipped": self.skipped}

    def _done(self, gathered: Gathered, ids: tuple[str, ...], how: str) -> Imported:
        inputs = tuple(gathered.inputs)
        with self.store.session() as session:
            row = session.get_one(t.Import, self.import_id)
            row.state, row.done_at, row.read = "done", self.now, self.read
            row.error = None
            row.inputs = _plainly(msgspec.to_builtins(inputs))
            row.found = {"child": [plain(one) for one in ids], "how": how, "skipped": self.skipped}
            new = row.new
            audit(
                *(session, "import.done"),
                at=self.now,
                family=self.family,
                person=self.by,
                subject=f"import:{self.import_id}",
                read=self.read,
                new=new,
                skipped=self.skipped,
                alerts=len(self.alerts),
            )
        return Imported(
            import_id=self.import_id,
            inputs=inputs,
            read=self.read,
            new=new,
            skipped=self.skipped,
            alerts=tuple(self.alerts),
            relationships=tuple(self.changed),
            child=ids,
            how=how,
        )


class _Hidden:
    """Temporary files are locked with a key that only this process has, for as long as it reads."""

    def __init__(self) -> None:
        self._cipher = ChaCha20Poly1305(ChaCha20Poly1305.generate_key())
        self._number = 0

    def hide(self, frame: bytes) -> bytes:
        self._number += 1
        nonce = self._number.to_bytes(12, "little")
        return nonce + self._cipher.encrypt(nonce, frame, None)

    def show(self, hidden: bytes) -> bytes:
        return self._cipher.decrypt(hidden[:12], hidden[12:], None)


def _in_order(placed: Iterable[tuple[int, Message]]) -> Iterator[tuple[int, Message]]:
    """At equal times by conversation, in it as read: so that the order does not hang on which file was named first."""
    same: list[tuple[int, Message]] = []
    now: datetime | None = None
    for one in placed:
        if one[1].sent_at != now:
            if len(same) > 1:
                same.sort(key=_conversation_of)
            yield from same
            same.clear()
            now = one[1].sent_at
        same.append(one)
    same.sort(key=_conversation_of)
    yield from same


def _conversation_of(one: tuple[int, Message]) -> str:
    return one[1].conversation


def _fit_all(gathered: Gathered) -> None:
    """The same for what is known beside messages."""
    accounts, conversations, authors = gathered.accounts, gathered.conversations, gathered.authors
    gathered.accounts = {
        (platform, plain(author)): msgspec.structs.replace(
            account, id=plain(author), name=None if account.name is None else plain(account.name)
        )
        for (platform, author), account in accounts.items()
    }
    gathered.conversations = {
        plain(digest): msgspec.structs.replace(
            record,
            id=plain(digest),
            title=None if record.title is None else plain(record.title),
            participants=tuple(plain(one) for one in record.participants),
        )
        for digest, record in conversations.items()
    }
    gathered.authors = {}
    for digest, wrote in authors.items():
        here = gathered.authors.setdefault(plain(digest), {})
        for author, count in wrote.items():
            here[plain(author)] = here.get(plain(author), 0) + count


def _fit(message: Message) -> Message:
    """Whose author and conversation both databases can hold."""
    author, conversation = plain(message.author), plain(message.conversation)
    if author is message.author and conversation is message.conversation:
        return message
    return msgspec.structs.replace(message, author=author, conversation=conversation)


def _plainly(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {key: _plainly(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plainly(one) for one in value]
    return value


class _Refused:
    """Whom nobody reads: contacts that the family protected, by author id or name."""

    def __init__(self, protected: Sequence[str], child: Sequence[str], gathered: Gathered) -> None:
        wanted = {one.casefold() for one in protected}
        self.people = set(protected)
        for (_, author), account in gathered.accounts.items():
            if author.casefold() in wanted or (account.name is not None and account.name.casefold() in wanted):
                self.people.add(author)
        for authors in gathered.authors.values():
            self.people.update(author for author in authors if author.casefold() in wanted)
        # What the child writes to them when they are alone is not read either.
        self.conversations: set[str] = set()
        if self.people:
            for digest in dict.fromkeys((*gathered.conversations, *gathered.authors)):
                record = gathered.conversations.get(digest)
                if record is not None and record.kind != "direct":
                    continue
                present = {*(record.participants if record is not None else ()), *gathered.authors.get(digest, ())}
                if present & self.people:
                    self.conversations.add(digest)

    def __call__(self, message: Message) -> bool:
        return bool(self.people) and (message.author in self.people or message.conversation in self.conversations)

    def without(self, record: Conversation | None, digest: str, gathered: Gathered) -> Conversation | None:
        """The conversation's record, not naming them."""
        if record is None or not self.people:
            return record
        kept = tuple(person for person in record.participants if person not in self.people)
        return msgspec.structs.replace(record, participants=kept)


# ------------------------------------------------------------ rows


def _seen(session: orm.Session, child: int, digests: Sequence[bytes]) -> set[bytes]:
    """Which of the messages were taken in before."""
    found: set[bytes] = set()
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(
            "SELECT digest FROM seen WHERE child = %s AND digest = ANY(%s)", (child, list(digests))
        )
        return {bytes(row[0]) for row in rows}
    for part in in_parts(digests, 1_000):
        marks = ",".join("?" * len(part))
        rows = connection.exec_driver_sql(
            f"SELECT digest FROM seen WHERE child = ? AND digest IN ({marks})",  # noqa: S608 (question marks only)
            (child, *part),
        )
        found.update(row[0] for row in rows)
    return found


_COLUMNS = "child, digest, conversation, author, sent_at, record, original, at, sealed, folded"


def _insert(session: orm.Session, rows: list[tuple[Any, ...]]) -> None:
    # Through the driver: what SQLAlchemy would do for each of the values costs more than the insertion.
    connection = session.connection()
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    # In the order of the index, so that neighbours land on the same page.
    connection.exec_driver_sql(
        f"INSERT INTO seen (child, digest) VALUES ({mark}, {mark})",  # noqa: S608
        sorted((row[0], row[1]) for row in rows),
    )
    connection.exec_driver_sql(
        f"INSERT INTO messages ({_COLUMNS}) VALUES ({', '.join([mark] * 10)})",  # noqa: S608
        rows,
    )


def _merge_accounts(session: orm.Session, child: int, gathered: Gathered, refused: _Refused) -> None:
    """As Gathered.add does within one import: a stated relation and a name win over none."""
    wanted = {
        (account.platform, plain(account.id)): account
        for account in gathered.accounts.values()
        if account.id not in refused.people
    }
    known: dict[tuple[str, str], t.Account] = {}
    for part in in_parts(dict.fromkeys(author for _, author in wanted), 500):
        for row in session.scalars(sa.select(t.Account).where(t.Account.child == child, t.Account.author.in_(part))):
            known[row.platform, row.author] = row
    new: list[dict[str, Any]] = []
    for (platform, author), account in wanted.items():
        name = None if account.name is None else plain(account.name)
        there = known.get((platform, author))
        record = _plainly(msgspec.to_builtins(account))
        if there is None:
            new.append(
                {
                    "child": child,
                    "platform": plain(platform),
                    "author": author,
                    "name": name,
                    "relation": account.relation,
                    "since": account.since,
                    "record": record,
                }
            )
            continue
        relation = there.relation if account.relation == "participant" else account.relation
        if (there.name, there.relation, there.since) != (name or there.name, relation, account.since or there.since):
            there.name, there.relation, there.since = name or there.name, relation, account.since or there.since
            there.record = {**record, "name": there.name, "relation": relation}
    if new:
        session.execute(sa.insert(t.Account), new)


def _merge_conversations(
    session: orm.Session, child: int, ids: Sequence[str], conversations: dict[str, Conversation | None]
) -> None:
    known: dict[str, t.Conversation] = {}
    for part in in_parts(conversations, 500):
        for row in session.scalars(
            sa.select(t.Conversation).where(t.Conversation.child == child, t.Conversation.digest.in_(part))
        ):
            known[row.digest] = row
    new: list[dict[str, Any]] = []
    for digest, record in conversations.items():
        there = known.get(digest)
        title = None if record is None or record.title is None else plain(record.title)
        if there is None:
            new.append(
                {
                    "child": child,
                    "digest": plain(digest),
                    "title": title,
                    "last_at": None,
                    "state": None,
                    "platform": "" if record is None else record.platform,
                    "kind": "direct" if record is None else record.kind,
                    "record": {} if record is None else _plainly(msgspec.to_builtins(record)),
                    "base": None,
                    "stale": False,
                }
            )
        elif record is not None:
            before = msgspec.convert(there.record, Conversation) if there.record else None
            merged = record if before is None else _merged(before, record)
            if merged != before:
                if before is None or _reading(before, ids) != _reading(merged, ids):
                    # What is known now would have made earlier messages be understood differently.
                    there.stale = True
                there.record = _plainly(msgspec.to_builtins(merged))
                there.kind, there.title = merged.kind, there.title or title
    if new:
        session.execute(sa.insert(t.Conversation), new)


def _merged(known: Conversation, item: Conversation) -> Conversation:
    people = tuple(dict.fromkeys(known.participants + item.participants))
    return msgspec.structs.replace(
        known,
        participants=people,
        kind="group" if "group" in (known.kind, item.kind) else known.kind,
        title=known.title or item.title,
        is_request=known.is_request or item.is_request,
    )


def _reading(record: Conversation, ids: Sequence[str]) -> tuple[object, ...]:
    """What of a conversation decides to whom a message belongs."""
    other = next((person for person in record.participants if person not in ids), None)
    return record.kind, record.is_request, other if record.kind == "direct" else None
