"""Instagram and Facebook Messenger downloads, JSON: `messages/inbox/<thread>/message_1.json` and its parts.

Parts and messages stand newest first. `message_requests` are strangers who knocked. Every string is repaired from Meta's
encoding (`_meta.repair`). Accounts have no ids in it: people are known by name. Learned from abrignoni/RLEAPP and the
issues of chat-miner and Chatistics (facts only).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jaga.errors import UnreadableInput
from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Clock,
    Conversation,
    Message,
    MessageKind,
    Problem,
    Record,
    digest,
)
from jaga.sources._base import Context, from_unix_ms
from jaga.sources._json import elements, load, scalars, top_keys
from jaga.sources._meta import platform_of, repair, repair_all
from jaga.sources._tree import Entry

__all__ = ["MetaMessages"]

_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)
_PART = re.compile(r"_(\d+)\.json$")
_ATTACHED: tuple[tuple[str, AttachmentKind], ...] = (
    ("photos", "image"),
    ("videos", "video"),
    ("audio_files", "voice"),
    ("gifs", "image"),
    ("files", "document"),
)
_SMALL = 24 << 20


class MetaMessages:
    """Reads one thread, all its parts."""

    name = "meta_messages"
    title = "Instagram or Messenger download (JSON)"
    reference = "https://help.instagram.com/181231772500920; https://www.facebook.com/help/212802592074644"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        if keys.get("participants") != "[":
            return False
        if keys.get("messages") == "[":
            return (
                b'"sender_name"' in entry.head
                or b'"thread_path"' in entry.head
                or b'"is_still_participant"' in entry.head
                or (b'"timestamp_ms"' in entry.head)
            )
        return b'"timestamp_ms"' in entry.head and b'"sender_name"' in entry.head

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        threads: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            part = _PART.search(entry.name)
            # Threads lie in a folder each; files that were taken out of theirs stay apart by what they say.
            key = (entry.folder, "" if part else entry.name)
            threads.setdefault(key, []).append(entry)
        units = []
        for group in threads.values():
            by_thread: dict[str, list[Entry]] = {}
            for entry in group:
                by_thread.setdefault(
                    str(scalars(entry, "", until=None).get("thread_path") if len(group) > 1 else ""), []
                ).append(entry)
            units += [sorted(same, key=_part) for same in by_thread.values()]
        return units

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. A part that breaks off is read as far as it goes; OSError passes."""
        first = unit[0]
        platform = platform_of(first)
        about = _about(first)
        path = repair(str(about.get("thread_path") or "")) or first.folder
        people = tuple(dict.fromkeys(repair(str(name)) for name in about["participants"]))
        title = about.get("title")
        title = repair(title) if isinstance(title, str) else None
        thread = path.rsplit("/", 1)[-1]
        identifier = digest(platform, thread) if thread else digest(platform, *sorted(people))
        direct = len(people) <= 2 and about.get("thread_type") != "RegularGroup" and about.get("joinable_mode") is None
        place = f"{path}/{first.path}"
        yield Conversation(
            id=identifier,
            platform=platform,
            kind="direct" if direct else "group",
            title=title,
            participants=people,
            clock=_CLOCK,
            is_request="message_requests" in place or "filtered_threads" in place,
        )
        for name in people:
            yield Account(id=name, platform=platform, name=name)
        for entry in unit:
            try:
                for index, raw in elements(entry, "messages.item"):
                    where = f"messages[{index}]"
                    try:
                        message = _message(raw, identifier, platform, f"{entry.name} {where}")
                    except (KeyError, TypeError, ValueError, AttributeError) as error:
                        yield Problem(
                            where=f"{entry.display}: {where}", what=f"is not a message of this format: {error!r}"
                        )
                        continue
                    if message is None:
                        yield Problem(where=f"{entry.display}: {where}", what="has no valid time or sender: left out")
                        continue
                    yield message
            except UnreadableInput as error:
                yield Problem(where=entry.display, what=f"{error.what} ({error.remedy})", fatal=True)


def _part(entry: Entry) -> tuple[int, str]:
    match = _PART.search(entry.name)
    return (int(match[1]) if match else 0, entry.name)


def _about(entry: Entry) -> dict[str, Any]:
    """The thread's own fields. From the whole document when small, else read along."""
    if entry.size is not None and entry.size <= _SMALL:
        try:
            whole = load(entry)
        except UnreadableInput:
            whole = None
        if isinstance(whole, dict):
            names = [item.get("name") for item in whole.get("participants") or () if isinstance(item, dict)]
            about = {key: value for key, value in whole.items() if not isinstance(value, (list, dict))}
            return {
                **about,
                "participants": [name for name in names if isinstance(name, str)],
                "joinable_mode": whole.get("joinable_mode"),
            }
    about = scalars(entry, "")
    names = []
    try:
        for _, item in elements(entry, "participants.item", tell_cut=False):
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                names.append(item["name"])
    except UnreadableInput:
        # Said again, with its place, when the messages are read.
        pass
    return {**about, "participants": names}


def _message(raw: dict[str, Any], conversation: str, platform: str, where: str) -> Message | None:
    sender = raw.get("sender_name")
    sent_at = from_unix_ms(raw.get("timestamp_ms") or 0)
    if sent_at is None or not isinstance(sender, str):
        return None
    text = raw.get("content")
    text = repair(text) if isinstance(text, str) else ""
    attachments = [
        Attachment(kind=kind, path=repair(item["uri"]))
        for key, kind in _ATTACHED
        for item in raw.get(key) or ()
        if isinstance(item, dict) and isinstance(item.get("uri"), str)
    ]
    sticker = raw.get("sticker")
    if isinstance(sticker, dict):
        attachments.append(Attachment(kind="sticker", path=sticker.get("uri")))
    share = raw.get("share")
    if isinstance(share, dict):
        share = repair_all(share)
        link = share.get("link") or share.get("share_text")
        attachments.append(Attachment(kind="link", name=link if isinstance(link, str) else None))
        if not text and isinstance(share.get("share_text"), str):
            text = share["share_text"]
    kind: MessageKind = "text"
    if raw.get("is_unsent"):
        kind = "deleted"
    elif "call_duration" in raw or raw.get("type") == "Call":
        kind = "call"
    elif attachments and not text:
        kind = "media"
    return Message(
        conversation=conversation,
        author=repair(sender),
        sent_at=sent_at,
        text=text,
        platform=platform,
        kind=kind,
        attachments=tuple(attachments),
        where=where,
    )
