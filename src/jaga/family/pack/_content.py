"""What goes into an evidence pack: plain records, made by whoever knows the store or the exports. Nothing is looked up here.

Of the chat only what a pack may show comes in: the messages that explain the assessment and at most two lines before and
after each. Of pictures, voice and video only names and hashes: a pack never holds the things themselves.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

import msgspec

from jaga.assessment import Assessment
from jaga.records import Account, AttachmentKind, Conversation, Message
from jaga.words import LANGUAGES

__all__ = [
    "CONTEXT_LINES",
    "AttachmentRef",
    "AuditEntry",
    "OriginalFile",
    "PackContent",
    "Quote",
    "SourceRef",
    "checked",
    "with_context",
]

# Lines of context before, and after, each quoted message.
CONTEXT_LINES = 2
_SHA256 = re.compile(r"[0-9a-f]{64}")


class OriginalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read. It stays where it is; the pack holds its hashes."""

    name: str
    # 64 hex digits, lower case.
    sha256: str
    size_bytes: int
    # Who or what keeps it: a path, a device, a person. None if nobody said.
    kept_where: str | None = None
    # UTC; when Jaga read it.
    imported_at: datetime | None = None
    # 64 hex digits, where it was computed.
    blake3: str | None = None


class SourceRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a quoted message stands in an original file."""

    name: str
    # Of the original file, as in `OriginalFile`; None if it was not hashed when it was read.
    sha256: str | None = None
    size_bytes: int | None = None
    # Line, JSON path or row, as `Message.where` says.
    where: str | None = None


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One message shown in the pack. `context`: it only stands beside one that explains the assessment."""

    message: Message
    source: SourceRef | None = None
    context: bool = False


class AttachmentRef(msgspec.Struct, frozen=True, kw_only=True):
    """Something sent with a message that is not in the pack."""

    kind: AttachmentKind
    name: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    kept_where: str | None = None
    # Id of the message it came with.
    message: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the household's audit: who saw, changed or exported what. Never the words of a message."""

    at: datetime
    who: str
    what: str
    # Of the line, as jaga.store computes it: hex.
    hash: str


class PackContent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one relationship that a pack tells."""

    # As the family calls the child; author ids under which the child writes.
    child_name: str
    child_ids: tuple[str, ...]
    # "13-15" and the like, never a date of birth.
    child_age_band: str | None = None
    # Whole years, for advice that fits.
    child_age: int | None = None
    # The contact's accounts: ids, names and platforms as the exports say.
    contact_accounts: tuple[Account, ...]
    assessment: Assessment
    quotes: tuple[Quote, ...]
    # Of the quoted messages: says how the times were known.
    conversations: tuple[Conversation, ...] = ()
    originals: tuple[OriginalFile, ...]
    attachments: tuple[AttachmentRef, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    # Hash of the last line of the whole audit when the pack was made: cutting its end off is seen by it.
    audit_head: str | None = None
    # Whose helplines, law and certificate: a code that jaga.guidance has, or None for the international one.
    country: str | None = "my"
    # ms, en, zh or ta.
    language: str
    # IANA name or offset in which times are shown.
    zone: str


def checked(content: PackContent) -> PackContent:
    """The same, quotes in time order. Raises: ValueError, if it holds more than a pack may, or a hash is none."""
    if content.language not in LANGUAGES:
        raise ValueError(f"{content.language!r} is no language that Jaga speaks")
    for hashed in _hashes(content):
        if not _SHA256.fullmatch(hashed):
            raise ValueError(f"{hashed[:80]!r} is no SHA-256 or BLAKE3 in 64 lower-case hex digits")
    quotes = sorted(content.quotes, key=lambda one: (one.message.sent_at, one.message.conversation, one.message.nth))
    talks: dict[str, str] = {}
    for quote in quotes:
        talks[quote.message.conversation] = talks.get(quote.message.conversation, "") + "q."[quote.context]
    for talk in talks.values():
        before, *between, after = talk.split("q") if "q" in talk else (talk, "")
        if max(len(before), len(after)) > CONTEXT_LINES or max(map(len, between), default=0) > 2 * CONTEXT_LINES:
            raise ValueError(f"a pack shows at most {CONTEXT_LINES} lines before and after a quoted message")
        if "q" not in talk:
            raise ValueError("a pack shows context only around a quoted message")
    return msgspec.structs.replace(content, quotes=tuple(quotes))


def _hashes(content: PackContent) -> Iterator[str]:
    for original in content.originals:
        yield from filter(None, (original.sha256, original.blake3))
    yield from (quote.source.sha256 for quote in content.quotes if quote.source and quote.source.sha256)
    yield from (one.sha256 for one in content.attachments if one.sha256)


def with_context(
    messages: Iterable[tuple[Message, SourceRef | None]], shown: Collection[str], *, context: bool = True
) -> tuple[Quote, ...]:
    """Quotes of the messages whose ids are in `shown`, with the lines around them as far as a pack may show them.

    `messages`: in time order, of any conversations; they are gone through once, and few are kept at a time.
    """
    quotes: list[Quote] = []
    before: dict[str, deque[tuple[Message, SourceRef | None]]] = {}
    after: dict[str, int] = {}
    for message, source in messages:
        talk = message.conversation
        if message.id in shown:
            quotes += [Quote(message=one, source=at, context=True) for one, at in before.pop(talk, ())]
            quotes.append(Quote(message=message, source=source))
            after[talk] = CONTEXT_LINES if context else 0
        elif after.get(talk, 0):
            after[talk] -= 1
            quotes.append(Quote(message=message, source=source, context=True))
        elif context:
            before.setdefault(talk, deque(maxlen=CONTEXT_LINES)).append((message, source))
    return tuple(quotes)
