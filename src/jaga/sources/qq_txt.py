"""QQ's text export (message manager, `.txt`): `2024-02-13 21:05:33 Name(10001)`, then the text, then a blank line.

`消息分组` says whether people or groups follow, `消息对象` whom the chat is with; one file may hold many chats. The number in brackets
(or the mail address in `<>`) is the author's identity; friends' chats of old versions have the name alone. 10000 and 1000000 are
QQ itself. No zone is stated. Learned from ChatLab and QQtoExcel (facts only); not tried on a real export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Conversation,
    ConversationKind,
    Message,
    Problem,
    Record,
    digest,
)
from jaga.sources._base import Context, own_units
from jaga.sources._lines import head_lines, utterances
from jaga.sources._tree import Entry

__all__ = ["QQText"]

_TIME = r"\d{4}-\d\d-\d\d \d{1,2}:\d\d:\d\d(?: [AP]M)?"
_SAID = re.compile(
    rf"^({_TIME}) (?:【[^】\n]{{1,20}}】)?([^\n]{{0,100}}?)(?:\((\d{{4,12}})\)|<([^<>@\s]{{1,64}}@[^<>\s]{{1,64}})>)\s*$"
)
_NAMED = re.compile(rf"^({_TIME}) ([^\n]{{1,60}})$")
_ABOUT = re.compile(r"^消息(分组|对象)[:：](.*)$")
_FIRST = "消息记录"
# Rules and the title end the message before them.
_RULE = re.compile(r"^(?:={8,}|消息记录.*)$")
_SYSTEM = ("10000", "1000000")
_MEDIA: dict[str, AttachmentKind] = {
    "[图片]": "image",
    "[语音]": "voice",
    "[视频]": "video",
    "[文件]": "document",
    "[表情]": "sticker",
    "[动画表情]": "sticker",
}


class QQText:
    """Reads chat after chat, in file order."""

    name = "qq_txt"
    title = "QQ message export"
    reference = "https://github.com/aoguai/QQtoExcel"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = [line.strip() for line in head_lines(entry.head[:8192])[:60]]
        if any(line.startswith(_FIRST) for line in lines[:2]) and any(_ABOUT.match(line) for line in lines):
            return True
        return bool(lines) and _SAID.match(lines[0]) is not None

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield each chat's conversation before its messages, accounts as they appear. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        survey = _Survey(entry)
        known: set[tuple[str, str]] = set()
        chat = _Chat()
        started: set[str] = set()
        for item in utterances(entry, _head):
            if isinstance(item, Problem):
                yield item
                continue
            number, head, text = item
            if head.re is _RULE:
                continue
            if head.re is _ABOUT:
                chat = chat.told(head)
                continue
            identifier = chat.id(survey)
            if identifier not in started:
                started.add(identifier)
                yield Conversation(
                    id=identifier,
                    platform="qq",
                    kind=chat.kind(survey),
                    title=chat.title,
                    participants=tuple(survey.people(chat)),
                    clock=context.assumed_clock(precision_s=1),
                )
            author, name = _who(head)
            sent_at = _time(head[1])
            if sent_at is None:
                yield Problem(where=f"{entry.display}: line {number}", what="has an impossible time: left out")
                continue
            if (author, name) not in known and author not in _SYSTEM:
                known.add((author, name))
                yield Account(id=author, platform="qq", name=name)
            kind = _MEDIA.get(text.strip())
            yield Message(
                conversation=identifier,
                author="" if author in _SYSTEM else author,
                sent_at=context.utc(sent_at),
                text="" if kind else text,
                platform="qq",
                kind="system" if author in _SYSTEM else "media" if kind else "text",
                attachments=(Attachment(kind=kind),) if kind else (),
                where=f"line {number}",
            )


def _head(line: str) -> re.Match[str] | None:
    return _SAID.match(line) or _ABOUT.match(line) or _RULE.match(line) or _NAMED.match(line.rstrip())


class _Chat:
    def __init__(self, group: str | None = None, title: str | None = None) -> None:
        self._group = group
        self.title = title

    def told(self, about: re.Match[str]) -> _Chat:
        value = about[2].strip() or None
        return _Chat(value, None) if about[1] == "分组" else _Chat(self._group, value)

    @property
    def key(self) -> tuple[str | None, str | None]:
        return self._group, self.title

    def kind(self, survey: _Survey) -> ConversationKind:
        if self._group is not None and "群" in self._group:
            return "group"
        return "direct" if len(survey.people(self)) <= 2 else "group"

    def id(self, survey: _Survey) -> str:
        if self.title is not None:
            return digest("qq", self.title)
        return digest("qq", *sorted(survey.people(self)))


class _Survey:
    """One walk over the file: who writes in which chat."""

    def __init__(self, entry: Entry) -> None:
        self._people: dict[tuple[str | None, str | None], dict[str, None]] = {}
        chat = _Chat()
        for item in utterances(entry, _head):
            if isinstance(item, Problem) or item[1].re is _RULE:
                continue
            head = item[1]
            if head.re is _ABOUT:
                chat = chat.told(head)
                continue
            author, _ = _who(head)
            if author not in _SYSTEM:
                self._people.setdefault(chat.key, {})[author] = None

    def people(self, chat: _Chat) -> Sequence[str]:
        return list(self._people.get(chat.key, {}))


def _who(head: re.Match[str]) -> tuple[str, str]:
    """(author id, name)."""
    name = head[2].strip()
    identity = (head[3] or head[4]) if head.re is _SAID else None
    return identity or name, name or identity or "unknown"


def _time(stamp: str) -> datetime | None:
    late = stamp.endswith("PM")
    half = late or stamp.endswith("AM")
    numbers = [int(part) for part in re.findall(r"\d+", stamp)]
    hour = numbers[3] % 12 + 12 * late if half else numbers[3]
    try:
        return datetime(numbers[0], numbers[1], numbers[2], hour, numbers[4], numbers[5])
    except ValueError:
        return None
