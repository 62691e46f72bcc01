"""KakaoTalk's text exports: phones (`February 10, 2016, 2:33 AM, you : text`) and Windows (`[name] [오전 1:01] text`).

On Android the owner is literally `you` or `회원님`. No zone is stated. Learned from uoneway/kakaotalk_msg_preprocessor (facts only).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jaga.records import Account, Attachment, AttachmentKind, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._dates import parse_written
from jaga.sources._lines import decode_head, utterances
from jaga.sources._tree import Entry

__all__ = ["KakaoTalkText"]

_PHONE = re.compile(
    r"^((?:\d{4}년 \d{1,2}월 \d{1,2}일 (?:오전|오후) \d{1,2}:\d{2})|(?:[A-Z][a-z]{2,8} \d{1,2}, \d{4},? \d{1,2}:\d{2} [AP]M)), (.{1,60}?) : (.*)$"
)
_BAR = re.compile(r"^-{5,} (.{8,40}) -{5,}$")
_WINDOWS = re.compile(r"^\[([^\]]{1,60})\] \[((?:오전|오후) \d{1,2}:\d{2}|\d{1,2}:\d{2} [AP]M)\] (.*)$")
_OWNERS = ("you", "회원님")
_MEDIA: dict[str, AttachmentKind] = {
    "사진": "image",
    "photo": "image",
    "동영상": "video",
    "video": "video",
    "이모티콘": "sticker",
    "emoticons": "sticker",
}


class KakaoTalkText:
    """Reads one chat per file."""

    name = "kakaotalk_txt"
    title = "KakaoTalk text export"
    reference = "https://github.com/uoneway/kakaotalk_msg_preprocessor"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = decode_head(entry.head[:8192]).splitlines()[:60]
        return any(_PHONE.match(line) for line in lines) or (
            any(_BAR.match(line) for line in lines) and any(_WINDOWS.match(line) for line in lines)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        found: dict[str, None] = {}
        for item in utterances(entry, _head):
            if not isinstance(item, Problem) and item[1].re is not _BAR:
                found[_author(item[1])] = None
        people = tuple(found)
        identifier = digest("kakaotalk", *sorted(people))
        yield Conversation(
            id=identifier,
            platform="kakaotalk",
            kind="direct" if len(people) <= 2 else "group",
            participants=people,
            clock=context.assumed_clock(precision_s=60),
        )
        for name in people:
            yield Account(
                id=name, platform="kakaotalk", name=name, relation="owner" if name in _OWNERS else "participant"
            )
        day = ""
        for item in utterances(entry, _head):
            if isinstance(item, Problem):
                yield item
                continue
            number, head, rest = item
            if head.re is _BAR:
                day = head[1]
                continue
            stamp = head[1] if head.re is _PHONE else f"{day} {head[2]}"
            at = parse_written(stamp)
            if at is None:
                yield Problem(
                    where=f"{entry.display}: line {number}", what=f"has a time Jaga cannot read: {stamp[:40]!r}"
                )
                continue
            text = f"{head[3]}\n{rest}" if rest else head[3]
            media = _MEDIA.get(text.strip().casefold())
            yield Message(
                conversation=identifier,
                author=_author(head),
                sent_at=context.utc(at),
                # Kept: somebody may have typed just that word.
                text=text,
                platform="kakaotalk",
                kind="media" if media else "text",
                attachments=(Attachment(kind=media),) if media else (),
                where=f"line {number}",
            )


def _head(line: str) -> re.Match[str] | None:
    return _PHONE.match(line) or _WINDOWS.match(line) or _BAR.match(line)


def _author(head: re.Match[str]) -> str:
    return head[2] if head.re is _PHONE else head[1]
