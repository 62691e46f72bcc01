"""What the child said in public on Instagram and Facebook: comments, posts and captions, as messages in public conversations.

The keys of `string_map_data` are in the account's language, so a value is known by its kind, not by its label: the one
with a time is the time, the first text is what was said, the second whose post it was. Facebook's posts
(`your_posts_1.json`, `your_posts__check_ins__photos_and_videos_1.json`, group posts) hold their words in `data` and what was added in
`attachments`; what others wrote on the child's page (`wall_posts_sent_to_you`) is theirs, by the English title `NAME wrote on …`, else
by nobody named. Facebook's part learned from NorseKode/Waultar-App (facts only); not tried on a real download.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._json import salvage, top_keys
from jaga.sources._meta import repair_all
from jaga.sources._tree import Entry

__all__ = ["MetaPosts"]

OWNER = "me"
# Who wrote is not the owner and not named but in a sentence of the account's language.
_WALL = "wall_posts_sent_to_you"
SOMEONE = "(someone else)"
_WROTE = re.compile(r"^(.{1,80}?) (?:wrote on|posted (?:on|in|to)|shared) ")
_LISTS = (
    "comments_media_comments",
    "comments_reels_comments",
    "comments_story_comments",
    "comments_v2",
    "ig_stories",
    "ig_reels_media",
    "group_posts_v2",
    "group_comments_v2",
    _WALL,
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
        if not keys.get("timestamp", "").isdigit():
            return False
        return (keys.get("data") == "[" or keys.get("attachments") == "[") and any(
            word in entry.head
            for word in (b'"comment"', b'"post"', b'"update_timestamp"', b'"external_context"', b'"media"')
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield one public conversation with what the owner wrote. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        platform = "facebook" if _is_facebook(entry) else "instagram"
        conversation = digest(platform, "public", OWNER)
        yield Account(id=OWNER, platform=platform, relation="participant")
        yield Conversation(id=conversation, platform=platform, kind="public", participants=(OWNER,), clock=_CLOCK)
        known: set[str] = {OWNER}
        document, broken = salvage(entry)
        for where, item, wall in _items(document):
            item = repair_all(item)
            try:
                found = _said(item) if isinstance(item, dict) else None
            except (TypeError, ValueError, AttributeError):
                # A value of a kind that no download has.
                found = None
            if found is None and isinstance(item, dict) and item.get("title") and not item.get("data"):
                # Facebook lists what somebody did ("changed her profile") among what they said.
                continue
            sent_at = from_unix(found[1]) if found is not None else None
            if found is None or sent_at is None:
                yield Problem(
                    where=f"{entry.display}: {where}", what="has no valid time or nothing was said in it: left out"
                )
                continue
            text, _, attachments = found
            author = _writer(item) if wall else OWNER
            if author not in known:
                known.add(author)
                yield Account(id=author, platform=platform, name=author)
            yield Message(
                conversation=conversation,
                author=author,
                sent_at=sent_at,
                text=text,
                platform=platform,
                kind="media" if attachments and not text else "text",
                attachments=attachments,
                where=where,
            )
        if broken is not None:
            raise broken


def _is_facebook(entry: Entry) -> bool:
    keys = top_keys(entry)
    return (
        "facebook" in entry.path.lower()
        or any(key in keys for key in ("comments_v2", "group_posts_v2", "group_comments_v2", _WALL))
        or keys.get("data") == "["
        or ("attachments" in keys and "timestamp" in keys)
    )


def _items(document: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield (place, item, whether it stands on the owner's page by somebody else)."""
    if isinstance(document, list):
        for index, item in enumerate(document):
            yield f"[{index}]", item, False
    elif isinstance(document, dict) and "timestamp" in document:
        # A single post stands without a list around it.
        yield "[0]", document, False
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict) and isinstance(value.get("activity_log_data"), list):
                value = value["activity_log_data"]
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield f"{key}[{index}]", item, key == _WALL


def _writer(item: dict[str, Any]) -> str:
    found = _WROTE.match(str(item.get("title") or ""))
    return found[1] if found is not None else SOMEONE


def _said(item: dict[str, Any]) -> tuple[str, float, tuple[Attachment, ...]] | None:
    if isinstance(item.get("media"), list):
        media = [one for one in item["media"] if isinstance(one, dict)]
        text = item.get("title") or next((one["title"] for one in media if one.get("title")), "")
        stamp = item.get("creation_timestamp") or next((one.get("creation_timestamp") for one in media), None)
        attachments = tuple(
            Attachment(
                kind=_kind(str(one.get("uri", ""))),
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
    if item.get("timestamp") and (isinstance(item.get("data"), list) or isinstance(item.get("attachments"), list)):
        return _facebook(item)
    if item.get("creation_timestamp") and "uri" in item:
        return (
            str(item.get("title") or ""),
            float(item["creation_timestamp"]),
            (Attachment(kind="image", path=item["uri"]),),
        )
    return None


def _facebook(item: dict[str, Any]) -> tuple[str, float, tuple[Attachment, ...]] | None:
    """A post or comment: its words in `data`, links and pictures in `attachments`, whose own words count when there are no others."""
    text: str | None = None
    for one in _objects(item.get("data")):
        comment = one.get("comment")
        said = comment.get("comment") if isinstance(comment, dict) else one.get("post")
        text = said if text is None and isinstance(said, str) and said else text
    found: list[Attachment] = []
    for group in _objects(item.get("attachments")):
        for one in _objects(group.get("data")):
            media, link = one.get("media"), one.get("external_context")
            if isinstance(media, dict) and isinstance(media.get("uri"), str):
                found.append(Attachment(kind=_kind(media["uri"]), path=media["uri"]))
                text = text or next((said for key in ("description", "title") if (said := media.get(key))), None)
            elif isinstance(link, dict) and isinstance(link.get("url"), str):
                found.append(Attachment(kind="link", name=link["url"]))
            elif "place" in one:
                found.append(Attachment(kind="location"))
    if not text and not found:
        return None
    return str(text or ""), float(item["timestamp"]), tuple(found)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _kind(uri: str) -> AttachmentKind:
    return "image" if uri.lower().endswith(("jpg", "jpeg", "png", "webp", "heic", "gif")) else "video"
