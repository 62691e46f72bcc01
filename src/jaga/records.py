"""The vocabulary of Jaga: what was said, by whom, where and when. Nothing here computes a judgement.

Records are frozen and are checked once, by the source that makes them; past it their types are trusted.
Missing is `None`, never an empty string or 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Literal

import msgspec

__all__ = [
    "Account",
    "Attachment",
    "AttachmentKind",
    "Clock",
    "Conversation",
    "ConversationKind",
    "KnownAs",
    "Message",
    "MessageKind",
    "Problem",
    "Record",
    "Relation",
    "digest",
]

ConversationKind = Literal["direct", "group", "channel", "public"]
MessageKind = Literal["text", "media", "call", "system", "deleted"]
AttachmentKind = Literal[
    "image", "video", "audio", "voice", "sticker", "document", "contact", "location", "link", "other"
]
Relation = Literal[
    "owner", "contact", "follower", "following", "request_received", "request_sent", "blocked", "participant"
]


def digest(*parts: str) -> str:
    """32 hex digits (BLAKE2b-128, RFC 7693) over the parts; a part's boundary counts."""
    hasher = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hasher.update(len(raw).to_bytes(4, "little"))
        hasher.update(raw)
    return hasher.hexdigest()


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How a source knew the times: part of the evidence, shown to whoever relies on a time."""

    # "UTC", "+08:00", an IANA name, or several when the file states an offset per message.
    zone: str
    # False when the file does not state a zone and the reader's was assumed.
    zone_known: bool
    # 1, 60 or 0.001: the finest step the file can express.
    precision_s: float = 1.0
    # "DMY", "MDY", "YMD"; None when the file's dates have only one reading.
    date_order: str | None = None
    # Why that order: "a field above 12", "times only rise that way", "assumed for the locale".
    order_reason: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Someone who writes or is written to, as one platform names them."""

    id: str
    platform: str
    name: str | None = None
    relation: Relation = "participant"
    # UTC; since when the relation holds, where the export says so.
    since: datetime | None = None


class KnownAs(msgspec.Struct, frozen=True, kw_only=True):
    """What a bank of known hashes says of an attachment: which entry it is, never what is to be seen."""

    bank: str
    # bad: known abuse material. good: known to be harmless.
    meaning: Literal["bad", "good"]
    item: int
    category: str | None = None
    # The kind of hash by which it is known, and how many bits apart; 0 for exact hashes.
    kind: str
    distance_bits: int = 0


class Attachment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something sent with a message. Jaga keeps where it lies, never a copy of it."""

    kind: AttachmentKind
    name: str | None = None
    # Path inside the export, None when the file is not part of it.
    path: str | None = None
    mime: str | None = None
    size_bytes: int | None = None
    duration_s: float | None = None
    # Where the file lies, if it is part of what was given: the input and the place in it, as `sources.Files` opens it.
    found: str | None = None
    # What looking at the file told (jaga.media.attachments); None as long as nobody has. 64 hex digits of its bytes.
    sha256: str | None = None
    known: KnownAs | None = None
    # How likely it shows nudity, 0 to 1.
    sensitive: float | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Where messages are said. `id` is derived from content, so the same chat exported twice has one id."""

    id: str
    platform: str
    kind: ConversationKind
    title: str | None = None
    # Author ids that are known to be in it, whether they wrote or not.
    participants: tuple[str, ...] = ()
    clock: Clock
    # The other person is a stranger who knocked: Instagram or Messenger message requests.
    is_request: bool = False


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False, omit_defaults=True):
    """Anything said in a conversation; a post or comment is a message in a `public` one."""

    conversation: str
    author: str
    # UTC.
    sent_at: datetime
    text: str
    platform: str
    kind: MessageKind = "text"
    # The platform's own id where it has one; makes an edited message keep its identity.
    source_id: str | None = None
    # Which of several equal messages (same author, time and text) in its conversation this is, from 0.
    # Sources leave it at 0; gathering counts, once everything is in time order.
    nth: int = 0
    # `source_id` of the message this one answers.
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()
    edited: bool = False
    forwarded: bool = False
    # Line, JSON path or row in the file it was read from.
    where: str | None = None

    @property
    def id(self) -> str:
        """32 hex digits derived from content: equal in every export that holds this message.

        Computed on demand: most messages are never cited, and hashing them all would cost more than reading them.
        """
        if self.source_id is not None:
            return digest(self.platform, self.conversation, self.source_id)
        return digest(self.platform, self.conversation, self.author, self.sent_at.isoformat(), self.text, str(self.nth))


class Problem(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that could not be read. Reading goes on after it.

    `where` names file and place; `what` says what is wrong and what to do. `fatal` marks that the rest of that
    file was given up. `skipped` counts the records lost here.
    """

    where: str
    what: str
    fatal: bool = False
    skipped: int = 1
    # A note tells something worth knowing (an assumed date order) without anything having been lost.
    note: bool = False


Record = Account | Conversation | Message | Problem

Records = Iterator[Record]
