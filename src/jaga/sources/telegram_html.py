"""Telegram Desktop's HTML export: `messages.html`, `messages2.html`, … of one chat, or `chats/chat_001/messages.html`.

Messages marked `joined` have no name of their own: the one before said it. Newer exports give the offset in the
time's title (`13.02.2024 21:05:33 UTC+08:00`); in older ones it is the exporting machine's local time.
There are no account ids in it, so people are known by name. Source: telegramdesktop/tdesktop, export_output_html.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone

from selectolax.lexbor import LexborHTMLParser, LexborNode

from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context
from jaga.sources._lines import decode_head
from jaga.sources._tree import Entry

__all__ = ["TelegramHtml"]

_TITLE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d):(\d\d)(?: UTC([+-])(\d\d):(\d\d))?")
_NUMBER = re.compile(r"messages(\d*)\.html?$")
_MEDIA: tuple[tuple[str, AttachmentKind], ...] = (
    ("photo", "image"),
    ("video", "video"),
    ("voice_message", "voice"),
    ("audio_file", "audio"),
    ("sticker", "sticker"),
    ("animated", "video"),
    ("location", "location"),
    ("contact", "contact"),
)
# A page holds 1,000 messages; one far larger was not written by Telegram.
_LARGEST = 64 << 20


class TelegramHtml:
    """Reads the pages of one chat in their order."""

    name = "telegram_html"
    title = "Telegram Desktop export (HTML)"
    reference = (
        "https://github.com/telegramdesktop/tdesktop/blob/dev/Telegram/SourceFiles/export/output/export_output_html.cpp"
    )
    order = 50

    def recognises(self, entry: Entry) -> bool:
        head = decode_head(entry.head)
        return (
            "<html" in head.lower()
            and 'class="page_wrap' in head
            and ('class="history"' in head or 'class="message ' in head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        folders: dict[str, list[Entry]] = {}
        for entry in entries:
            folders.setdefault(entry.folder, []).append(entry)
        return [sorted(group, key=_page) for group in folders.values()]

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, then its messages. Raises: OSError, UnreadableInput."""
        title: str | None = None
        people: dict[str, None] = {}
        messages: list[Message] = []
        stated = guessed = 0
        last = ""
        for entry in unit:
            with entry.open() as stream:
                raw = stream.read(_LARGEST + 1)
            if len(raw) > _LARGEST:
                yield Problem(
                    where=entry.display, what="is far larger than a page of a Telegram export: left out", fatal=True
                )
                continue
            page = LexborHTMLParser(raw)
            header = page.css_first("div.page_header div.text.bold, div.page_header .text")
            if title is None and header is not None:
                title = header.text(strip=True) or None
            for node in page.css("div.message"):
                classes = (node.attributes.get("class") or "").split()
                if "service" in classes:
                    continue
                at = node.css_first("div.date.details")
                match = _TITLE.search((at.attributes.get("title") or "") if at is not None else "")
                where = node.attributes.get("id") or "?"
                if match is None:
                    yield Problem(where=f"{entry.display}: {where}", what="has no time: left out")
                    continue
                body = node.css_first("div.body")
                name = _own(body, "from_name")
                if name is not None and "joined" not in classes:
                    last = name
                if not last:
                    yield Problem(where=f"{entry.display}: {where}", what="says not who wrote it: left out")
                    continue
                sent_at = _time(match, context)
                if sent_at is None:
                    yield Problem(where=f"{entry.display}: {where}", what="has an impossible time: left out")
                    continue
                if match[7]:
                    stated += 1
                else:
                    guessed += 1
                people[last] = None
                attachments = tuple(_attachments(node))
                text = _body(node)
                reply = node.css_first("div.reply_to a")
                target = (reply.attributes.get("href") or "") if reply is not None else ""
                messages.append(
                    Message(
                        conversation="",
                        author=last,
                        sent_at=sent_at,
                        text=text,
                        platform="telegram",
                        kind="media" if attachments and not text else "text",
                        source_id=where.removeprefix("message"),
                        reply_to=target.rsplit("go_to_message", 1)[-1] if "go_to_message" in target else None,
                        attachments=attachments,
                        forwarded=node.css_first("div.forwarded") is not None,
                        where=f"{entry.name}#{where}",
                    )
                )
        # Without ids in the file the chat is known by its title, and where it has none by its people.
        identifier = digest("telegram", "html", title or "\0".join(sorted(people)))
        yield Conversation(
            id=identifier,
            platform="telegram",
            kind="direct" if len(people) <= 2 else "group",
            title=title,
            participants=tuple(people),
            clock=Clock(
                zone="stated per message" if stated else context.zone_name, zone_known=bool(stated) and not guessed
            ),
        )
        owner = next((name for name in people if name != title), None) if len(people) == 2 and title in people else None
        for name in people:
            yield Account(id=name, platform="telegram", name=name, relation="owner" if name == owner else "participant")
        for message in messages:
            yield _with(message, identifier)
        if guessed:
            yield Problem(
                where=unit[0].display,
                what=f"{guessed} messages state no zone: read as {context.zone_name} (--zone changes that)",
                note=True,
                skipped=0,
            )


def _with(message: Message, conversation: str) -> Message:
    from msgspec.structs import replace

    return replace(message, conversation=conversation)


def _page(entry: Entry) -> tuple[int, str]:
    match = _NUMBER.search(entry.name)
    return (int(match[1] or 1) if match else 0, entry.name)


def _time(match: re.Match[str], context: Context) -> datetime | None:
    day, month, year, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        local = datetime(year, month, day, hour, minute, second)
        if not match[7]:
            return context.utc(local)
        offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
        return (local - (offset if match[7] == "+" else -offset)).replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None


def _own(body: LexborNode | None, name: str) -> str | None:
    """The text of the element directly below `body`, not of one in a forwarded message inside."""
    child = body.child if body is not None else None
    while child is not None:
        if child.tag == "div" and name in (child.attributes.get("class") or "").split():
            return child.text(strip=True) or None
        child = child.next
    return None


def _body(node: LexborNode) -> str:
    found = node.css_first("div.text")
    if found is None:
        return ""
    for line_break in found.css("br"):
        line_break.replace_with("\n")
    parts = [found.text().strip()]
    for link in found.css("a"):
        target = link.attributes.get("href") or ""
        if target.startswith(("http://", "https://")) and target not in parts[0]:
            # What is shown may hide where it leads.
            parts.append(f"({target})")
    return " ".join(parts)


def _attachments(node: LexborNode) -> Iterator[Attachment]:
    for wrap in node.css("div.media_wrap a, div.media_wrap div.media"):
        classes = wrap.attributes.get("class") or ""
        for word, kind in _MEDIA:
            if word in classes:
                yield Attachment(kind=kind, path=wrap.attributes.get("href"))
                return
        yield Attachment(kind="document", path=wrap.attributes.get("href"))
        return
