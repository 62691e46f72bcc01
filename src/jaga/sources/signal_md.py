"""`chat.md` as the signal-export program writes it from Signal Desktop: `[2024-02-13, 21:05] Name: text`, one chat a folder.

`Me` is the owner; the folder is named after the chat. The times are the exporting computer's, no zone is stated. Attachments stand
as Markdown links, a quoted message as lines behind `>`, reactions as `(- Ray: … -)`, which are left out of the text.
Layout from the program's description; not tried on a real export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from jaga.records import Account, Attachment, AttachmentKind, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._lines import head_lines, utterances
from jaga.sources._tree import Entry

__all__ = ["SignalMarkdown"]

OWNER = "Me"
# No seconds: with them it is WhatsApp's head on an iPhone that writes the year first.
_HEAD = re.compile(r"^\[(\d{4}-\d\d-\d\d),? (\d\d:\d\d)\] ([^:\n]{1,100}): ?(.*)$")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\((\.?/?media/[^()\n]{1,300})\)")
_REACTIONS = re.compile(r"\s*\(- [^()\n]{1,300} -\)\s*$")
_IMAGES = ("jpg", "jpeg", "png", "gif", "webp", "heic")
_VIDEOS = ("mp4", "mov", "3gp", "webm")
_SOUNDS = ("mp3", "m4a", "aac", "ogg", "opus", "wav")


class SignalMarkdown:
    """Reads one chat per file, in file order."""

    name = "signal_md"
    title = "Signal chat (signal-export)"
    reference = "https://github.com/carderne/signal-export"
    # Before WhatsApp, whose bracketed heads look alike.
    order = 46

    def recognises(self, entry: Entry) -> bool:
        lines = head_lines(entry.head[:8192])
        return bool(lines) and _HEAD.match(lines[0]) is not None

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        people: dict[str, None] = {}
        for item in utterances(entry, _HEAD.match):
            if not isinstance(item, Problem):
                people[item[1][3].strip()] = None
        others = [name for name in people if name != OWNER]
        title = entry.folder.rsplit("/", 1)[-1] or (others[0] if len(others) == 1 else None)
        direct = len(others) <= 1
        identifier = digest("signal", "md", others[0] if direct and others else title or "\0".join(sorted(others)))
        yield Conversation(
            id=identifier,
            platform="signal",
            kind="direct" if direct else "group",
            title=title,
            participants=tuple(people),
            clock=context.assumed_clock(precision_s=60),
        )
        for name in people:
            yield Account(id=name, platform="signal", name=name, relation="owner" if name == OWNER else "participant")
        for item in utterances(entry, _HEAD.match):
            if isinstance(item, Problem):
                yield item
                continue
            number, head, rest = item
            try:
                sent_at = context.utc(datetime.fromisoformat(f"{head[1]} {head[2]}"))
            except ValueError:
                yield Problem(where=f"{entry.display}: line {number}", what="has an impossible time: left out")
                continue
            text = head[4] if not rest else f"{head[4]}\n{rest}"
            attachments = tuple(
                Attachment(kind=_kind(found[2]), name=found[1] or None, path=found[2].removeprefix("./"))
                for found in _LINK.finditer(text)
            )
            text = _unquoted(_REACTIONS.sub("", _LINK.sub("", text))).strip()
            yield Message(
                conversation=identifier,
                author=head[3].strip(),
                sent_at=sent_at,
                text=text,
                platform="signal",
                kind="media" if attachments and not text else "text",
                attachments=attachments,
                where=f"line {number}",
            )


def _unquoted(text: str) -> str:
    """Without the quoted message: somebody else's words must not count as this author's."""
    return "\n".join(line for line in text.split("\n") if not line.startswith(">"))


def _kind(path: str) -> AttachmentKind:
    suffix = path.rsplit(".", 1)[-1].lower()
    if suffix in _IMAGES:
        return "image"
    if suffix in _VIDEOS:
        return "video"
    return "audio" if suffix in _SOUNDS else "document"
