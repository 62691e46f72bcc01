"""WeChat chats as JSON from third-party exporters (WeFlow): `{session, messages[{createTime, content, isSend, …}]}`.

WeChat itself exports no text. `createTime` is seconds since 1970. Learned from ChatLab's fixture (facts only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._json import elements, top_keys
from jaga.sources._tree import Entry

__all__ = ["WeChatJson"]

OWNER = "me"
_MEDIA: dict[int, AttachmentKind] = {3: "image", 34: "voice", 43: "video", 47: "sticker", 48: "location", 49: "link"}


class WeChatJson:
    """Reads one chat per file."""

    name = "wechat_json"
    title = "WeChat (third-party JSON)"
    reference = "https://github.com/ChatLab/ChatLab"
    order = 48

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return keys.get("session") == "{" and (b'"wxid"' in entry.head or b'"senderUsername"' in entry.head)

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation and its messages. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        session: Any = next((value for _, value in elements(entry, "session")), {})
        session = session if isinstance(session, dict) else {}
        other = str(session.get("wxid") or "unknown")
        group = (
            other.endswith("@chatroom")
            or "group" in str(session.get("type", "")).lower()
            or "群" in str(session.get("type", ""))
        )
        conversation = digest("wechat", other)
        yield Account(id=OWNER, platform="wechat", relation="owner")
        yield Conversation(
            id=conversation,
            platform="wechat",
            kind="group" if group else "direct",
            title=session.get("displayName") or session.get("nickname"),
            participants=(OWNER,) if group else (OWNER, other),
            clock=Clock(zone="UTC", zone_known=True),
        )
        known: set[str] = set()
        for index, raw in elements(entry, "messages.item"):
            sent_at = from_unix(raw.get("createTime") or 0) if isinstance(raw, dict) else None
            if sent_at is None:
                yield Problem(where=f"{entry.display}: messages[{index}]", what="has no valid time: left out")
                continue
            author = OWNER if raw.get("isSend") else str(raw.get("senderUsername") or other)
            if author not in known and author != OWNER:
                known.add(author)
                yield Account(id=author, platform="wechat", name=raw.get("senderDisplayName"))
            # Local type 1 is text, 10000 a notice.
            kind = raw.get("localType")
            media = _MEDIA.get(kind) if isinstance(kind, int) else None
            yield Message(
                conversation=conversation,
                author=author,
                sent_at=sent_at,
                text=str(raw.get("content") or ""),
                platform="wechat",
                kind="text" if kind in (1, None) else "system" if kind == 10000 else "media",
                attachments=(Attachment(kind=media),) if media else (),
                where=f"messages[{index}]",
            )
