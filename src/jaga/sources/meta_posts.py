"""What the child said in public on Instagram and Facebook: comments and captions, as messages in public conversations.

The keys of `string_map_data` are in the account's language, so a value is known by its kind, not by its label: the one
with a time is the time, the first text is what was said, the second whose post it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._json import load, top_keys
from jaga.sources._meta import repair_all
from jaga.sources._tree import Entry

__all__ = ["MetaPosts"]

OWNER = "me"
_LISTS = (
    "comments_media_comments",
    "comments_reels_comments",
    "comments_story_comments",
    "comments_v2",
    "ig_stories",
    "ig_reels_media",
)
_CLOCK = Clock(zone="UTC", zone_known=True)


class MetaPosts:
    """Reads one list of comments or posts per file."""

    name = "meta_posts"
    title = "Instagram or Facebook posts and comments"
    reference = "https://help.instagram.com/181231772500920"
    order = 56

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        if any(key in keys for key in _LISTS):
            return True
        if keys.get("media") == "[" and b'"creation_timestamp"' in entry.head:
            return True
        if "string_map_data" in keys and b'"timestamp"' in entry.head:
            return "comment" in entry.name.lower() or b'"Comment"' in entry.head
        return (
            keys.get("data") == "[" and "timestamp" in keys and (b'"comment"' in entry.head or b'"post"' in entry.head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield one public conversation with what the owner wrote. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        platform = (
            "messenger"
            if "facebook" in entry.path.lower() or b"comments_v2" in entry.head or b'"data"' in entry.head[:400]
            else "instagram"
        )
        conversation = digest(platform, "public", OWNER)
        yield Account(id=OWNER, platform=platform, relation="participant")
        yield Conversation(id=conversation, platform=platform, kind="public", participants=(OWNER,), clock=_CLOCK)
        document = load(entry)
        if isinstance(document, dict):
            items = [item for value in document.values() if isinstance(value, list) for item in value]
        else:
            items = document if isinstance(document, list) else []
        for index, item in enumerate(items):
            found = _said(repair_all(item)) if isinstance(item, dict) else None
            if found is None:
                yield Problem(
                    where=f"{entry.display}: [{index}]", what="has no time or nothing was said in it: left out"
                )
                continue
            text, stamp, attachments = found
            sent_at = from_unix(stamp)
            if sent_at is None:
                yield Problem(where=f"{entry.display}: [{index}]", what="has no valid time: left out")
                continue
            yield Message(
                conversation=conversation,
                author=OWNER,
                sent_at=sent_at,
                text=text,
                platform=platform,
                kind="media" if attachments and not text else "text",
                attachments=attachments,
                where=f"[{index}]",
            )


def _said(item: dict[str, Any]) -> tuple[str, float, tuple[Attachment, ...]] | None:
    if isinstance(item.get("media"), list):
        media = [one for one in item["media"] if isinstance(one, dict)]
        text = item.get("title") or next((one["title"] for one in media if one.get("title")), "")
        stamp = item.get("creation_timestamp") or next((one.get("creation_timestamp") for one in media), None)
        attachments = tuple(
            Attachment(
                kind="image" if str(one.get("uri", "")).lower().endswith(("jpg", "png", "webp", "heic")) else "video",
                path=one.get("uri"),
            )
            for one in media
        )
        return (str(text or ""), float(stamp), attachments) if stamp else None
    mapped = item.get("string_map_data")
    if isinstance(mapped, dict):
        values = [value for value in mapped.values() if isinstance(value, dict)]
        stamps = [
            value["timestamp"]
            for value in values
            if isinstance(value.get("timestamp"), (int, float)) and value["timestamp"]
        ]
        texts = [value["value"] for value in values if isinstance(value.get("value"), str)]
        return (texts[0], float(stamps[0]), ()) if texts and stamps else None
    listed = item.get("string_list_data")
    if isinstance(listed, list) and listed and isinstance(listed[0], dict):
        text, stamp = listed[0].get("value"), listed[0].get("timestamp")
        return (text, float(stamp), ()) if isinstance(text, str) and stamp else None
    data = item.get("data")
    if isinstance(data, list) and item.get("timestamp"):
        for one in data:
            if isinstance(one, dict):
                said = (
                    one.get("comment", {}).get("comment") if isinstance(one.get("comment"), dict) else one.get("post")
                )
                if isinstance(said, str):
                    return said, float(item["timestamp"]), ()
    if item.get("creation_timestamp") and "uri" in item:
        return (
            str(item.get("title") or ""),
            float(item["creation_timestamp"]),
            (Attachment(kind="image", path=item["uri"]),),
        )
    return None
