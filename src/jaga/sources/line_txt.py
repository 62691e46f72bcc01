"""LINE's text export: a title line, a saved-on line, then days with `HH:MM<TAB>name<TAB>text`.

Bodies of several lines stand in double quotes. The day line is numeric (`2024/02/13(Tue)`, `2024.02.13 Tuesday`,
`Tue, 13/02/2024`); no zone is stated. Learned from ChatLab and meyfa/line-chat-parser (facts only).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Conversation,
    ConversationKind,
    Message,
    MessageKind,
    Problem,
    Record,
    digest,
)
from jaga.sources._base import Context, own_units
from jaga.sources._lines import decode_head, utterances
from jaga.sources._tree import Entry

__all__ = ["LineText"]

_DAY = re.compile(
    r"^(?:\w{2,4}\.?, )?(\d{4})[./年](\d{1,2})[./月](\d{1,2})日?\.?\s?(?:[(（]?\w+[)）]?)?$|^(?:\w{2,4}\.?, )(\d{1,2})/(\d{1,2})/(\d{4})$"
)
_SAID = re.compile(r"^(上午|下午|午前|午後|오전|오후)?\s?(\d{1,2}):(\d{2})\s?([AaPp][Mm])?\t([^\t]*)\t(.*)$", re.DOTALL)
_TITLE = re.compile(
    r"^\[LINE\] ?(?:Chat history (?:with|in) |[与與])?(.+?)(?:(?:と)?のトーク履歴|的聊天记录|的聊天記錄)?$"
)
_EVENTS = re.compile(r"^\[[^\]]{2,20}\]$")
# What stands for media, in the languages met; any other word in brackets is media of a kind unknown.
_MEDIA: dict[str, AttachmentKind] = {
    **dict.fromkeys(("photo", "foto", "gambar", "照片", "圖片", "写真", "사진", "รูป"), "image"),
    **dict.fromkeys(("video", "影片", "视频", "動画", "동영상"), "video"),
    **dict.fromkeys(("sticker", "stiker", "貼圖", "贴图", "スタンプ", "스티커"), "sticker"),
    **dict.fromkeys(("voice message", "語音訊息", "ボイスメッセージ"), "voice"),
    **dict.fromkeys(("file", "檔案", "ファイル"), "document"),
}


class LineText:
    """Reads one chat per file."""

    name = "line_txt"
    title = "LINE chat history"
    reference = "https://help.line.me/line/smartphone?contentId=20007388"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = decode_head(entry.head[:8192]).splitlines()[:40]
        return (bool(lines) and lines[0].startswith("[LINE]")) or (
            any(_DAY.match(line) for line in lines) and any(_SAID.match(line) for line in lines)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        title: str | None = None
        people: dict[str, None] = {}
        for item in utterances(entry, _head):
            if not isinstance(item, Problem):
                head = item[1]
                if head.re is _TITLE:
                    title = title or head[1].strip()
                elif head.re is _SAID and head[5]:
                    people[head[5]] = None
        kind: ConversationKind = "direct" if len(people) <= 2 else "group"
        identifier = (
            digest("line", *sorted(people)) if kind == "direct" else digest("line", title or "\0".join(sorted(people)))
        )
        yield Conversation(
            id=identifier,
            platform="line",
            kind=kind,
            title=title,
            participants=tuple(people),
            clock=context.assumed_clock(precision_s=60),
        )
        owner = next((name for name in people if name != title), None) if len(people) == 2 and title in people else None
        for name in people:
            yield Account(id=name, platform="line", name=name, relation="owner" if name == owner else "participant")
        day: date | None = None
        for item in utterances(entry, _head):
            if isinstance(item, Problem):
                yield item
                continue
            number, head, rest = item
            if head.re is _TITLE:
                continue
            if head.re is _DAY:
                found = _day(head)
                if found is None:
                    yield Problem(where=f"{entry.display}: line {number}", what=f"is no date: {head[0][:40]!r}")
                day = found or day
                continue
            at = _clock(head)
            if day is None or at is None:
                what = "stands before any date: left out" if day is None else "has an impossible time: left out"
                yield Problem(where=f"{entry.display}: line {number}", what=what)
                continue
            yield _message(head, rest, context.utc(datetime(day.year, day.month, day.day, *at)), identifier, number)


def _head(line: str) -> re.Match[str] | None:
    return _SAID.match(line) or _DAY.match(line.strip()) or (_TITLE.match(line) if line.startswith("[LINE]") else None)


def _day(head: re.Match[str]) -> date | None:
    numbers = [int(part) for part in head.groups() if part]
    # The American order is written only by English phones of the USA; elsewhere the day stands first.
    orders = (numbers,) if head[1] else (numbers[::-1], [numbers[2], numbers[0], numbers[1]])
    for year, month, day in orders:
        with contextlib.suppress(ValueError):
            return date(year, month, day)
    return None


def _clock(head: re.Match[str]) -> tuple[int, int] | None:
    hour, minute = int(head[2]), int(head[3])
    late = head[1] in ("下午", "午後", "오후") or (head[4] or "").lower() == "pm"
    hour = hour % 12 + 12 if late else hour % 12 if head[1] or head[4] else hour
    return (hour, minute) if hour < 24 and minute < 60 else None


def _message(head: re.Match[str], rest: str, sent_at: datetime, conversation: str, number: int) -> Message:
    author, text = head[5], f"{head[6]}\n{rest}" if rest else head[6]
    if len(text) > 1 and text.startswith('"') and text.endswith('"') and "\n" in text:
        text = text[1:-1].replace('""', '"')
    kind: MessageKind = "text"
    attachments: tuple[Attachment, ...] = ()
    if not author:
        kind = "system"
    elif text.startswith("☎"):
        kind = "call"
    elif _EVENTS.match(text):
        what = _MEDIA.get(text[1:-1].casefold())
        kind, attachments = "media", (Attachment(kind=what or "other"),)
        # An unknown word in brackets may have been typed.
        text = "" if what else text
    return Message(
        conversation=conversation,
        author=author,
        sent_at=sent_at,
        text=text,
        platform="line",
        kind=kind,
        attachments=attachments,
        where=f"line {number}",
    )
