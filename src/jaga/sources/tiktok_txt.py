"""TikTok's data download as text: `Direct Messages.txt`, `Comments.txt` and the follower lists.

Chats begin with `>>> Chat History with NAME::`, in English whatever the account's language; a message is
`2024-02-13 13:05:33 UTC name: text`. Comments and lists are blocks of `Date:` and `Comment:` or `Username:` lines. Times are UTC. The
owner is whoever writes in chats with others without being the other. Chats learned from public readers of the format; comments and
lists not tried on a real export.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, Relation, digest
from jaga.sources._base import Context, own_units
from jaga.sources._lines import decode_head, head_lines, text_lines, utterances
from jaga.sources._tree import Entry

__all__ = ["TikTokText"]

OWNER = "me"
_CLOCK = Clock(zone="UTC", zone_known=True)
_CHAT = re.compile(r"^>>> Chat History with (.{1,100}?):*\s*$")
_SAID = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: UTC)? ([^:\n]{1,64}): ?(.*)$")
_FIELD = re.compile(r"^(Date|Comment|Photo|Url|Username): ?(.*)$", re.IGNORECASE)


class TikTokText:
    """Reads direct messages, own comments, followers and following, each in file order."""

    name = "tiktok_txt"
    title = "TikTok data download (text)"
    reference = "https://support.tiktok.com/en/account-and-privacy/personalized-ads-and-data/requesting-your-data"
    order = 46

    def recognises(self, entry: Entry) -> bool:
        lines = [line.strip() for line in head_lines(entry.head[:8192])[:20]]
        if any(_CHAT.match(line) for line in lines[:3]):
            return True
        fields = [found[1].lower() for line in lines[:4] if (found := _FIELD.match(line))]
        return fields[:2] == ["date", "comment"] or (
            fields[:2] == ["date", "username"] and _relation(entry) is not None
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations and messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        chats = any(_CHAT.match(line.strip()) for line in decode_head(entry.head[:8192]).splitlines())
        yield from _chats(entry) if chats else _blocks(entry)


def _head(line: str) -> re.Match[str] | None:
    return _CHAT.match(line) or _SAID.match(line)


def _chats(entry: Entry) -> Iterator[Record]:
    wrote: Counter[str] = Counter()
    other = ""
    for item in utterances(entry, _head):
        if isinstance(item, Problem):
            continue
        if item[1].re is _CHAT:
            other = item[1][1]
        elif item[1][2] != other:
            wrote[item[1][2]] += 1
    owner = wrote.most_common(1)[0][0] if wrote else OWNER
    yield Account(id=owner, platform="tiktok", name=owner, relation="owner")
    conversation: str | None = None
    for item in utterances(entry, _head):
        if isinstance(item, Problem):
            yield item
            continue
        number, head, rest = item
        if head.re is _CHAT:
            other = head[1]
            # As the JSON download names it, so that both give each message once.
            conversation = digest("tiktok", *sorted((owner, other)))
            yield Conversation(
                id=conversation,
                platform="tiktok",
                kind="direct",
                title=other,
                participants=(owner, other),
                clock=_CLOCK,
            )
            continue
        sent_at = _time(head[1])
        if conversation is None or sent_at is None:
            yield Problem(where=f"{entry.display}: line {number}", what="has no chat or no valid time: left out")
            continue
        yield _message(conversation, head[2], sent_at, f"{head[3]}\n{rest}" if rest else head[3], number)


def _blocks(entry: Entry) -> Iterator[Record]:
    """Blocks of `Date:` with a comment or a user name."""
    relation = _relation(entry)
    conversation = digest("tiktok", "public", OWNER)
    if relation is None:
        yield Conversation(id=conversation, platform="tiktok", kind="public", participants=(OWNER,), clock=_CLOCK)
    at: datetime | None = None
    for item in text_lines(entry):
        if isinstance(item, Problem):
            yield item
            continue
        number, line = item
        found = _FIELD.match(line.strip())
        if found is None:
            continue
        key, value = found[1].lower(), found[2].strip()
        if key == "date":
            at = _time(value.removesuffix(" UTC"))
            if at is None:
                yield Problem(where=f"{entry.display}: line {number}", what="is no valid time: left out")
        elif key == "username" and relation is not None and value:
            yield Account(id=value, platform="tiktok", name=value, relation=relation, since=at)
        elif key == "comment" and relation is None and at is not None:
            yield _message(conversation, OWNER, at, value, number)


def _relation(entry: Entry) -> Relation | None:
    name = entry.name.lower()
    return "following" if "following" in name else "follower" if "follower" in name or "fans" in name else None


def _message(conversation: str, author: str, sent_at: datetime, text: str, number: int) -> Message:
    shared = (text.startswith("https://") and not any(char.isspace() for char in text)) or not text
    return Message(
        conversation=conversation,
        author=author,
        sent_at=sent_at,
        text=text,
        platform="tiktok",
        kind="media" if shared else "text",
        attachments=(Attachment(kind="link", name=text or None),) if shared else (),
        where=f"line {number}",
    )


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp.strip()).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
