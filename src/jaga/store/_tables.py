"""What a household's store holds, as tables: the same on SQLCipher and on PostgreSQL.

Rules that hold for every table:
- A row that belongs to a family carries `family` or hangs from a row that does; every query names the family, so that one
  household never reads another's.
- Times are UTC, whole microseconds since 1970 (`UtcTime`): exact, and the same in both databases.
- Records of the rooms before are stored whole, as MessagePack (`Packed`), beside the few columns that are asked for.
- `audit`, `feedback` and `seen` only grow, and a message that was sealed is not changed: triggers see to it (migrations). What is withdrawn
  is withdrawn by a later row. Only erasing a child takes rows of `feedback`, `seen` and sealed messages away; nothing takes one of `audit`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Account",
    "Alert",
    "AuditLine",
    "Backup",
    "Base",
    "Channel",
    "Child",
    "ChildAccount",
    "Conversation",
    "Delivery",
    "Device",
    "Erasure",
    "Family",
    "FeedbackLine",
    "Import",
    "Invitation",
    "Message",
    "Original",
    "Packed",
    "Passkey",
    "Person",
    "Relationship",
    "Seen",
    "Session",
    "Trusted",
    "UtcTime",
    "Watched",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
# SQLite counts up by itself only with this very type; PostgreSQL needs room for more than two thousand million rows.
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time as whole microseconds since 1970, UTC. Raises: ValueError for a time without a zone."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Packed(sa.types.TypeDecorator[Any]):
    """Plain values (dict, list, str, numbers, None, bytes) or a msgspec record as MessagePack; comes back as plain values."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else msgspec.msgpack.encode(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any | None:
        return None if value is None else msgspec.msgpack.decode(value)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        datetime: UtcTime,
        bytes: sa.LargeBinary,
        dict[str, Any]: Packed,
        dict[str, Any] | None: Packed,
        list[Any]: Packed,
    }


def _key() -> Mapped[int]:
    return mapped_column(_Number, primary_key=True, autoincrement=True)


def _of(table: str, *, index: bool = True, nullable: bool = False) -> Mapped[Any]:
    return mapped_column(_Number, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), index=index, nullable=nullable)


class Family(Base):
    """One household."""

    __tablename__ = "families"
    id: Mapped[int] = _key()
    name: Mapped[str]
    # IANA name: what night is, when the digest is sent.
    zone: Mapped[str]
    country: Mapped[str]
    created_at: Mapped[datetime]
    # Retention in days, quiet hours, digest day, house rules: see store._settings.
    settings: Mapped[dict[str, Any]]


class Person(Base):
    """A grown-up who may log in, or a child's own log-in. `role`: parent, guardian or child."""

    __tablename__ = "people"
    id: Mapped[int] = _key()
    family: Mapped[int] = _of("families")
    role: Mapped[str]
    name: Mapped[str]
    # ms, en, zh or ta.
    language: Mapped[str]
    # For a child's log-in: whose it is.
    child: Mapped[int | None] = _of("children", nullable=True)
    # Argon2id in its own string format; None where only a passkey logs in.
    passphrase: Mapped[str | None]
    # The key slot (store._keys) that this person's passphrase opens.
    slot: Mapped[str | None]
    totp_secret: Mapped[str | None]
    # The last time step a code was taken for: no code is taken twice (RFC 6238, 5.2).
    totp_step: Mapped[int | None] = mapped_column(sa.BigInteger)
    # Failed tries from browsers that never were this person's, and until when such browsers have to wait. Their own are counted in Device.
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Passkey(Base):
    __tablename__ = "passkeys"
    id: Mapped[int] = _key()
    person: Mapped[int] = _of("people")
    credential: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Session(Base):
    """A log-in. The cookie holds a random token; here is only its SHA-256, so that a copy of the store opens no session."""

    __tablename__ = "sessions"
    id: Mapped[int] = _key()
    person: Mapped[int] = _of("people")
    token: Mapped[bytes] = mapped_column(unique=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # What the browser says it is, cut short: for the list of sessions.
    agent: Mapped[str | None]


class Device(Base):
    """A browser that this person has logged in from. Its failed tries are counted by themselves, so that a stranger's never lock it out."""

    __tablename__ = "devices"
    id: Mapped[int] = _key()
    person: Mapped[int] = _of("people")
    # SHA-256 of the token in the browser's cookie.
    token: Mapped[bytes] = mapped_column(unique=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]


class Invitation(Base):
    """A code by which another grown-up comes into the family and chooses a passphrase of their own."""

    __tablename__ = "invitations"
    id: Mapped[int] = _key()
    family: Mapped[int] = _of("families")
    role: Mapped[str]
    name: Mapped[str]
    # SHA-256 of the code.
    code: Mapped[bytes] = mapped_column(unique=True)
    by: Mapped[int] = mapped_column(_Number)
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Child(Base):
    """A child of the family. `birth`: year and month, "2013-05", never the day; None where only the band is known."""

    __tablename__ = "children"
    id: Mapped[int] = _key()
    family: Mapped[int] = _of("families")
    name: Mapped[str]
    birth: Mapped[str | None]
    # "under10", "10-12", "13-15", "16-17": as chosen, when `birth` is None.
    band: Mapped[str | None]
    created_at: Mapped[datetime]
    # When the child was told that Jaga is there, and by whom: nothing is read before.
    told_at: Mapped[datetime | None]
    told_by: Mapped[int | None] = mapped_column(_Number)
    settings: Mapped[dict[str, Any]]


class ChildAccount(Base):
    """An author id under which the child writes. `platform` None: on every one."""

    __tablename__ = "child_accounts"
    __table_args__ = (sa.UniqueConstraint("child", "platform", "author"),)
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    platform: Mapped[str | None]
    author: Mapped[str]


class Trusted(Base):
    """What the family says of a contact. `kind`: known (family, school ...) or protected (counsellor, helpline: never read)."""

    __tablename__ = "trusted"
    __table_args__ = (sa.UniqueConstraint("child", "contact"),)
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    contact: Mapped[str]
    kind: Mapped[str]
    who: Mapped[str | None]
    by: Mapped[int] = mapped_column(_Number)
    at: Mapped[datetime]


class Watched(Base):
    """A folder that is looked into again and again."""

    __tablename__ = "watched"
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    path: Mapped[str]
    every_s: Mapped[int]
    looked_at: Mapped[datetime | None]
    problem: Mapped[str | None]
    # Name to size and time of change of what was taken in, so that the same file is not read again.
    known: Mapped[dict[str, Any]]


class Import(Base):
    """One bringing-in of files. `state`: waiting, reading, done, failed; what was not done goes on after a restart."""

    __tablename__ = "imports"
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    by: Mapped[int | None] = mapped_column(_Number)
    # Where what was uploaded waits (encrypted), or the path that was pointed at; several as a JSON list.
    path: Mapped[str]
    name: Mapped[str]
    uploaded: Mapped[bool]
    state: Mapped[str] = mapped_column(index=True)
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    read: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    # What the sources found: list of jaga.sources.InputSummary, and the error that ended it.
    inputs: Mapped[list[Any]]
    error: Mapped[str | None]
    # Names the child may be called by in it, where Jaga cannot tell which one it is: for the page that asks.
    people: Mapped[list[Any]]
    # Messages that were never read because their writer is protected, and the name under which the child was found: see Imported.
    found: Mapped[dict[str, Any]]


class Original(Base):
    """A file that was read: its hashes and where it is kept. The file itself is never copied into the store."""

    __tablename__ = "originals"
    __table_args__ = (sa.UniqueConstraint("child", "sha256", "name"),)
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    imported: Mapped[int] = _of("imports")
    name: Mapped[str]
    kept_where: Mapped[str | None]
    sha256: Mapped[bytes]
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    at: Mapped[datetime]


class Account(Base):
    """Somebody on a platform, as jaga.records.Account says."""

    __tablename__ = "accounts"
    __table_args__ = (sa.UniqueConstraint("child", "platform", "author"),)
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    platform: Mapped[str]
    author: Mapped[str] = mapped_column(index=True)
    name: Mapped[str | None]
    relation: Mapped[str]
    since: Mapped[datetime | None]
    record: Mapped[dict[str, Any]]


class Conversation(Base):
    """A conversation, as jaga.records.Conversation says; `digest` is its id there."""

    __tablename__ = "conversations"
    __table_args__ = (
        sa.UniqueConstraint("child", "digest"),
        sa.Index("conversations_by_platform", "child", "platform", "last_at"),
    )
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    digest: Mapped[str]
    platform: Mapped[str]
    kind: Mapped[str]
    title: Mapped[str | None]
    # Empty for one that no export describes.
    record: Mapped[dict[str, Any]]
    # Up to when it was heard.
    last_at: Mapped[datetime | None]
    # What stood last in it (Engine.save_conversation): after everything heard, and after what is folded (see Message).
    state: Mapped[bytes | None]
    base: Mapped[bytes | None]
    # Older messages came in later: whoever speaks in it has to be judged anew, in time order.
    stale: Mapped[bool] = mapped_column(default=False)


class Seen(Base):
    """The id of every message ever taken in: what retention dropped is not taken in again."""

    __tablename__ = "seen"
    __table_args__ = ({"sqlite_with_rowid": False},)
    child: Mapped[int] = mapped_column(_Number, sa.ForeignKey("children.id", ondelete="CASCADE"), primary_key=True)
    # jaga.records.Message.id, 16 bytes.
    digest: Mapped[bytes] = mapped_column(primary_key=True)


class Message(Base):
    """A message that is still kept. `record`: jaga.records.Message as MessagePack."""

    __tablename__ = "messages"
    __table_args__ = (
        sa.UniqueConstraint("child", "digest"),
        sa.Index("messages_by_conversation", "conversation", "sent_at"),
        sa.Index("messages_by_time", "child", "sent_at"),
    )
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children", index=False)
    digest: Mapped[bytes]
    conversation: Mapped[int] = _of("conversations", index=False)
    author: Mapped[str]
    sent_at: Mapped[datetime]
    record: Mapped[bytes]
    original: Mapped[int | None] = _of("originals", index=False, nullable=True)
    # When it was taken in: retention counts from here.
    at: Mapped[datetime]
    # SHA-256 over `record`, set when the message became evidence (or its context) of an alert; then it is kept and never changed.
    sealed: Mapped[bytes | None]
    # Judging anew starts from the `base` of relationships and conversations; this message is part of that already.
    folded: Mapped[bool] = mapped_column(default=False)


class Relationship(Base):
    """One child with one contact: the engine's state and what was last judged."""

    __tablename__ = "relationships"
    __table_args__ = (
        sa.UniqueConstraint("child", "contact"),
        # Rows are large (state, assessment): what lists are sorted and counted by is read from here alone.
        sa.Index("relationships_listed", "child", "level", "score", "messages", "first_at", "last_at"),
    )
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    contact: Mapped[str]
    name: Mapped[str | None]
    # Engine.save_relationship: at most 4,096 bytes.
    state: Mapped[bytes]
    # jaga.assessment.Assessment, MessagePack.
    assessment: Mapped[bytes]
    level: Mapped[str]
    score: Mapped[float]
    messages: Mapped[int]
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    # For the Friends page: platforms, hours of the day (24 counts), who starts, days; kept up to date by store._ingest.
    facts: Mapped[dict[str, Any]]
    # The highest level that was told.
    told: Mapped[str] = mapped_column(default="none")
    # State and facts after what is folded (see Message): where judging anew starts, once retention has dropped messages.
    base: Mapped[dict[str, Any] | None]
    # Heard out of order: to be judged anew from what is kept.
    stale: Mapped[bool] = mapped_column(default=False)


class Alert(Base):
    """A rise of a relationship's level that the family has to know of. `state`: new, seen, fine, talked or reported."""

    __tablename__ = "alerts"
    __table_args__ = (sa.Index("alerts_open", "child", "state", "level", "at", "relationship"),)
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    relationship: Mapped[int] = _of("relationships")
    level: Mapped[str]
    at: Mapped[datetime]
    # The assessment as it was then, MessagePack.
    assessment: Mapped[bytes]
    # Digests of the messages shown and of their context, in time order.
    evidence: Mapped[list[Any]]
    context: Mapped[list[Any]]
    # Two lines of context stand on both sides of each message: `context` grows no more.
    settled: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str]
    state_at: Mapped[datetime]
    state_by: Mapped[int | None] = mapped_column(_Number)
    reason: Mapped[str | None]


class FeedbackLine(Base):
    """What the family answered to an alert; jaga.assessment.Tuning is computed from these. Only grows."""

    __tablename__ = "feedback"
    id: Mapped[int] = _key()
    child: Mapped[int] = _of("children")
    contact: Mapped[str]
    alert: Mapped[int | None] = _of("alerts", nullable=True)
    kind: Mapped[str]
    reason: Mapped[str | None]
    by: Mapped[int] = mapped_column(_Number)
    at: Mapped[datetime]
    # A line that takes back an earlier one names it.
    withdraws: Mapped[int | None] = mapped_column(_Number)
    record: Mapped[dict[str, Any]]


class Channel(Base):
    """Where a grown-up is told: an Apprise URL."""

    __tablename__ = "channels"
    id: Mapped[int] = _key()
    person: Mapped[int] = _of("people")
    name: Mapped[str]
    url: Mapped[str]
    # "free": content-free text. "level": also says how urgent it is. Never names or words.
    says: Mapped[str]
    # From which level on.
    least: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[datetime]
    problem: Mapped[str | None]


class Delivery(Base):
    """Something to be sent, or sent: the queue that outlives a restart."""

    __tablename__ = "deliveries"
    # No alert is told twice on one channel, whoever plans it.
    __table_args__ = (sa.UniqueConstraint("channel", "alert", "kind"),)
    id: Mapped[int] = _key()
    channel: Mapped[int] = _of("channels")
    # None: the weekly digest.
    alert: Mapped[int | None] = _of("alerts", nullable=True)
    # "alert", or "digest:2026-W48".
    kind: Mapped[str]
    due_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    problem: Mapped[str | None]
    created_at: Mapped[datetime]


class Backup(Base):
    """A backup that was made: erasing a child cannot reach into it, so whoever erases is told where it is."""

    __tablename__ = "backups"
    id: Mapped[int] = _key()
    path: Mapped[str]
    at: Mapped[datetime]
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[bytes]
    by: Mapped[int | None] = mapped_column(_Number)


class Erasure(Base):
    """A child that is being erased right now: while the row stands, the triggers let its rows go. Empty at all other times."""

    __tablename__ = "erasures"
    child: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)


class AuditLine(Base):
    """Who saw, changed or exported what. Each line's hash covers the one before it (store._audit)."""

    __tablename__ = "audit"
    id: Mapped[int] = _key()
    family: Mapped[int | None] = mapped_column(_Number, index=True)
    # None: Jaga itself.
    person: Mapped[int | None] = mapped_column(_Number)
    at: Mapped[datetime]
    # A word of store._audit.DEEDS, such as "alert.seen".
    what: Mapped[str]
    # Kind and id of what it was done to, such as "child:3".
    subject: Mapped[str | None]
    # Never the words of a message.
    detail: Mapped[dict[str, Any]]
    before: Mapped[bytes]
    hash: Mapped[bytes]
