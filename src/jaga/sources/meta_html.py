"""Instagram and Messenger downloads, HTML: `message_1.html` in a thread's folder.

Class names are those of 2022 to 2026 (`_a6-g` block, `_a6-h` sender, `_a6-p` body, `_a6-o` time); Meta changes them, so a
message is also known by its shape. No zone is stated. JSON is the better choice: docs/how-to-export.md says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace
from selectolax.lexbor import LexborHTMLParser, LexborNode

from jaga.records import Account, Attachment, AttachmentKind, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context
from jaga.sources._dates import parse_written
from jaga.sources._lines import decode_head
from jaga.sources._meta import platform_of
from jaga.sources._tree import Entry

__all__ = ["MetaHtml"]

_NUMBER = re.compile(r"_(\d+)\.html?$")
_LARGEST = 256 << 20
_MEDIA: dict[str, AttachmentKind] = {"img": "image", "video": "video", "audio": "voice"}


class MetaHtml:
    """Reads the parts of one thread."""

    name = "meta_html"
    title = "Instagram or Messenger download (HTML)"
    reference = "https://help.instagram.com/181231772500920"
    order = 52

    def recognises(self, entry: Entry) -> bool:
        head = decode_head(entry.head)
        return "<html" in head.lower() and "_a6-g" in head and "_a6-p" in head and "_a6-o" in head and "_a6-h" in head

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        threads: dict[tuple[str, bool], list[Entry]] = {}
        for entry in entries:
            part = _NUMBER.search(entry.name) is not None
            threads.setdefault((entry.folder if part else entry.path, part), []).append(entry)
        return [sorted(group, key=lambda entry: entry.name) for group in threads.values()]

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        first = unit[0]
        platform = platform_of(first)
        messages: list[Message] = []
        people: dict[str, None] = {}
        title: str | None = None
        request = "message_requests" in first.path
        for entry in unit:
            with entry.open() as stream:
                raw = stream.read(_LARGEST + 1)
            if len(raw) > _LARGEST:
                yield Problem(
                    where=entry.display,
                    what="is too large to be read as one page: ask for the download as JSON",
                    fatal=True,
                )
                continue
            page = LexborHTMLParser(raw)
            if title is None:
                node = page.css_first("title, h1")
                title = node.text(strip=True) if node is not None else None
            for number, block in enumerate(page.css("div._a6-g"), 1):
                sender = block.css_first("h2._a6-h, div._a6-h, h3._a6-h")
                body = block.css_first("div._a6-p")
                time = block.css_first("div._a6-o")
                where = f"block {number}"
                if sender is None or time is None:
                    request = request or "pending" in block.text().lower()
                    if time is not None:
                        yield Problem(where=f"{entry.display}: {where}", what="says not who wrote it: left out")
                    continue
                local = parse_written(time.text(strip=True))
                if local is None:
                    yield Problem(
                        where=f"{entry.display}: {where}",
                        what=f"has a time Jaga cannot read: {time.text(strip=True)[:60]!r}",
                    )
                    continue
                author = sender.text(strip=True)
                people[author] = None
                text, attachments = _body(body)
                messages.append(
                    Message(
                        conversation="",
                        author=author,
                        sent_at=context.utc(local),
                        text=text,
                        platform=platform,
                        kind="media" if attachments and not text else "text",
                        attachments=attachments,
                        where=f"{entry.name} {where}",
                    )
                )
        thread = first.folder.rsplit("/", 1)[-1]
        identifier = digest(platform, thread) if thread else digest(platform, "html", title or "", *sorted(people))
        yield Conversation(
            id=identifier,
            platform=platform,
            kind="direct" if len(people) <= 2 else "group",
            title=title,
            participants=tuple(people),
            clock=context.assumed_clock(precision_s=60.0),
            is_request=request,
        )
        for name in people:
            yield Account(id=name, platform=platform, name=name)
        for message in messages:
            yield replace(message, conversation=identifier)
        if messages:
            yield Problem(
                where=first.display,
                what=f"states no zone: read as {context.zone_name} (--zone changes that)",
                note=True,
                skipped=0,
            )


def _body(node: LexborNode | None) -> tuple[str, tuple[Attachment, ...]]:
    if node is None:
        return "", ()
    attachments = []
    for tag, kind in _MEDIA.items():
        for found in node.css(tag):
            attachments.append(Attachment(kind=kind, path=found.attributes.get("src")))
    for reactions in node.css("ul"):
        reactions.decompose()
    for line_break in node.css("br"):
        line_break.replace_with("\n")
    # The body lies in the second of several empty boxes; what all of them say together is the message.
    parts = [
        part.text(deep=True, strip=True)
        for part in node.css("div")
        if part.css_first("div div") is None and part.text(strip=True)
    ]
    text = parts[0] if parts else node.text(strip=True)
    return text, tuple(attachments)
