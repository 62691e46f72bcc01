"""WhatsApp's own chat export: `_chat.txt` (iOS) or `WhatsApp Chat with NAME.txt` (Android), alone or with its media.

Read by rule, not by a list of locales: a head is a numeric date, a clock time, perhaps a day-period word, and a separator.
Whether 03/04 is the third of April is decided over the whole file (`decide_order`); day-period words come
from CLDR. A line is a system line when it has no sender, never because of the words in it.

What the format does not hold: the zone (the exporting phone's is assumed and said), replies, reactions, forwards, and
whatever was older than the export's size limit. A pasted export inside a message looks like messages.

Layouts: EXPORTS notes of this project; CLDR 44 date and time patterns; made-up samples in tests/sources/fixtures/whatsapp_txt.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, NamedTuple, cast

from jaga.errors import NotThisFormat
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
from jaga.sources._dates import date_of, decide_order
from jaga.sources._lines import head_lines, sniff_encoding
from jaga.sources._tree import Entry

__all__ = ["WhatsAppText"]

# Direction marks that phones put around dates, names and their own notices.
_M = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*"
_S = "[ \u00a0\u202f\u2009]"
_SEPARATOR = rf"{_M}[./\-年月۔]{_M}{_S}?"
_DATE = rf"\d{{1,4}}{_SEPARATOR}\d{{1,2}}{_SEPARATOR}\d{{1,4}}[.日]?"
# A day-period word: letters with dots, possibly two words (`p. m.`, `tengah malam`); never a digit. Letters are told by what they
# are not: Tamil's vowel signs are no letters to `\w`.
_LETTER = r"[^\s\d!-/:-@\[-`{-~\u00a0\u2000-\u206f\u060c\u3000-\u3002\ufeff]"
_PERIOD = rf"(?:{_LETTER}\.?(?:{_LETTER}|\.)*(?:{_S}{_LETTER}(?:{_LETTER}|\.)*)?)"
_TIME = rf"(?:{_PERIOD}{_S}?)?\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?:{_S}?{_PERIOD})?"
_BETWEEN = rf"(?:{_M}[,،、]?{_S}{_M}|{_M}[,،、]{_M})"
_IOS = rf"^{_M}\[{_M}(?P<date>{_DATE}){_BETWEEN}(?P<time>{_TIME}){_M}\]{_S}?"
_ANDROID = rf"^{_M}(?P<date>{_DATE}){_BETWEEN}(?P<time>{_TIME}){_M}{_S}[-\u2013]{_S}"
# Then what may be a sender: all before the first colon, and the colon with a space or WhatsApp's own mark.
_SENDER = r"([^:\n]*)((?:://|: ?)?\u200e?)"
_SAMPLES = 50
_HEAD = re.compile(rf"(?:{_IOS})|(?:{_ANDROID.replace('?P<date>', '').replace('?P<time>', '')})", re.MULTILINE)

_PARTS_OF_TIME = re.compile(r"^(\D*?)(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(\D*)$")
# Small enough that a block and its pieces stay in the processor's cache: four times as large reads a quarter slower.
_BLOCK = 1 << 18
# A message longer than this without a new head is no message; it is cut and said.
_LONGEST = 4 << 20

_KIND_BY_SUFFIX: dict[str, AttachmentKind] = {
    **dict.fromkeys(("jpg", "jpeg", "png", "heic", "gif", "avif"), "image"),
    **dict.fromkeys(("mp4", "mov", "3gp", "mkv", "avi", "webm"), "video"),
    **dict.fromkeys(("mp3", "m4a", "aac", "wav", "amr"), "audio"),
    "opus": "voice",
    "webp": "sticker",
    "vcf": "contact",
}
_ATTACHED_IOS = re.compile(r"^<[^<>]{0,40}?([^<>:：/\\]{1,200}\.\w{2,5})[^<>.\w]{0,3}[^<>.]{0,30}>")
_ATTACHED_ANDROID = re.compile(r"^([^\n/\\<>:]{1,200}\.\w{2,5}) \([^()\n]{2,60}\)$", re.MULTILINE)
_ONLY_ANGLES = re.compile(r"^<[^<>\n]{3,80}>$")
_EDITED = re.compile(r"[ \n]?\u200e?<([^<>\n]{5,80})>$")
_LOCATION = re.compile(
    r"^[^\n:]{0,30}: ?https://maps\.google\.com/\?q=|^https://maps\.google\.com/\?q=-?\d|^https://foursquare\.com/v/"
)
# What WhatsApp writes for a withdrawn message; matched against the whole body.
_DELETED = re.compile(
    r"^(?:this message was deleted|you deleted this message|this message was deleted by admin .{1,60}"
    r"|mesej ini telah dipadam(?:kan)?|anda (?:telah )?memadam(?:kan)? mesej ini"
    r"|pesan ini telah dihapus|anda telah menghapus pesan ini"
    r"|此消息已删除|此訊息已刪除|您删除了此消息|你删除了这条消息|您已刪除此訊息|您刪除了此訊息"
    r"|இந்த(?:ச்)? (?:மெசேஜ்|செய்தி) (?:நீக்கப்பட்டது|அழிக்கப்பட்டது)|(?:இந்த(?:ச்)? )?(?:மெசேஜை|செய்தியை) நீக்கி(?:விட்டீர்கள்|னீர்கள்)"
    r"|se eliminó este mensaje|eliminaste este mensaje|ce message a été supprimé|diese nachricht wurde gelöscht"
    r"|esta mensagem foi apagada|mensagem apagada|تم حذف هذه الرسالة)[.。]?$",
    re.IGNORECASE,
)
# How those begin: looking for them in every message would cost as much as all the rest.
_DELETED_STARTS = frozenset(
    (
        "this",
        "you ",
        "mese",
        "anda",
        "pesa",
        "此消息已",
        "此訊息已",
        "您删除了",
        "你删除了",
        "您已刪除",
        "您刪除了",
        "இந்த"[:4],
        "மெசே"[:4],
        "செய்"[:4],
        "se e",
        "elim",
        "ce m",
        "dies",
        "esta",
        "mens",
        "تم ح",
    )
)
_EDIT_WORDS = re.compile(r"edit|diedit|disunting|编辑|編輯|திருத்த|bearbeitet|modifi|تعديل", re.IGNORECASE)
_OMITTED: tuple[tuple[str, AttachmentKind], ...] = (
    # No `\b` behind Chinese and Tamil: their words end without one.
    (r"^(?:(?:image|imej|gambar)\b|图像|圖像|圖片|图片|படம்).{0,24}$", "image"),
    (r"^(?:(?:video note|video)\b|视频|影片|காணொளி|வீடியோ).{0,24}$", "video"),
    (r"^(?:(?:audio|voice message)\b|音频|音訊|ஆடியோ).{0,24}$", "voice"),
    (r"^(?:sticker|pelekat|stiker|贴图|貼圖|ஸ்டிக்கர்).{0,24}$", "sticker"),
    (r"^gif\b.{0,24}$", "image"),
    (r"^(?:(?:document|dokumen)\b|文档|文件|ஆவணம்).{0,24}$", "document"),
    (r"^(?:(?:contact card|kad kenalan|kartu kontak)\b|联系人名片|聯絡人名片|தொடர்பு அட்டை).{0,24}$", "contact"),
)
_OMITTED_IOS = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _OMITTED)
_CALL = re.compile(
    r"^(?:missed |voice call|video call|panggilan |未接|语音通话|視訊通話|视频通话|語音通話|தவறிய|குரல் அழைப்பு|வீடியோ அழைப்பு)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"^(?:whatsapp chat (?:with|-)|chat whatsapp (?:dengan|con|com)|sembang whatsapp (?:dengan|-)|perbualan whatsapp dengan|"
    r"chat de whatsapp con|whatsapp chat mit|conversa do whatsapp com|discussion whatsapp avec|与|與)[ _]*",
    re.IGNORECASE,
)
_COPY = re.compile(r"[ _]*\(\d+\)$")


class WhatsAppText:
    """Reads one chat per file, in file order."""

    name = "whatsapp_txt"
    title = "WhatsApp chat export"
    reference = "https://faq.whatsapp.com/1180414079177245 (how to export); layout by observation"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        lines = head_lines(entry.head[:16_384])[:12]
        heads = sum(1 for line in lines if _HEAD.match(line))
        if not heads or not any(_HEAD.match(line) for line in lines[:3]):
            return False
        # `[2024-01-31, 22:05] Name:` without seconds is signal-export's line, not WhatsApp's.
        return not re.match(r"\[\d{4}-\d\d-\d\d,? \d\d:\d\d\] ", lines[0])

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the chat's account of its owner (where the file's name tells it), its conversation, its messages.

        Raises: NotThisFormat, OSError, UnreadableInput.
        """
        (entry,) = unit
        survey = _Survey(entry)
        yield from survey.notes
        clock = context.assumed_clock(
            precision_s=1.0 if survey.seconds else 60.0, date_order=survey.order, order_reason=survey.reason
        )
        title = _title(entry, survey.title)
        people = survey.people()
        kind: ConversationKind = "direct" if len(people) <= 2 else "group"
        owner = None
        if kind == "direct":
            other = next((name for name in people if title is not None and _same(name, title)), None)
            if other is not None and len(people) == 2:
                owner = next(name for name in people if name != other)
            if other is None and len(people) == 1 and title is not None:
                people = (*people, title)
            conversation = digest("whatsapp", "direct", *sorted(people))
        else:
            conversation = digest("whatsapp", "group", title.casefold() if title else "\0".join(sorted(people)))
        yield Conversation(
            id=conversation, platform="whatsapp", kind=kind, title=title, participants=people, clock=clock
        )
        for name in people:
            yield Account(id=name, platform="whatsapp", name=name, relation="owner" if name == owner else "participant")
        yield from _messages(entry, survey, conversation, context)


def _same(name: str, title: str) -> bool:
    return _plain(name) == _plain(title)


def _plain(name: str) -> str:
    return re.sub(rf"{_M}|[\s_\u00a0]+", "", name).casefold()


def _title(entry: Entry, stated: str | None) -> str | None:
    """The chat's name: what the file says of a group, else what the file or its archive is called."""
    if stated is not None:
        return stated
    stems = [entry.name.rsplit(".", 1)[0]]
    container = entry.folder.rsplit("/", 1)[-1] or entry.tree.root.replace("\\", "/").rsplit("/", 1)[-1]
    if entry.tree.display("") != entry.display:
        stems.append(container.removesuffix(".zip"))
    for stem in stems:
        stem = _COPY.sub("", stem)
        named = _NAMED.sub("", stem)
        if named != stem and named.strip(" _"):
            return named.strip(" _")
    return None


# ---------------------------------------------------------------- first pass: what does this file mean by its dates?


class _Survey:
    """One walk over the whole file: its shape, its date order, its names."""

    def __init__(self, entry: Entry) -> None:
        self.notes: list[Problem] = []
        self.seconds = False
        self.title: str | None = None
        dates: dict[str, None] = {}
        times: dict[str, None] = {}
        periods: dict[str, list[int]] = {}
        # What stands before the first colon, and the colon with what follows it at once, in order of appearance.
        senders: dict[tuple[str, str], None] = {}
        self._tails: dict[str, tuple[str | None, int]] = {}
        # Who sent media: people, where a name before the app's own marks could also be the group's.
        self._sent: set[str] = set()
        style: re.Pattern[str] | None = None
        for block, _ in _blocks(entry, self.notes):
            if style is None:
                style = _style(block)
                if style is None:
                    continue
            # In C, not in a loop: this walk must not cost as much as the reading itself.
            parts = style.split(block)
            dates.update(dict.fromkeys(parts[1::5]))
            times.update(dict.fromkeys(parts[2::5]))
            new = dict.fromkeys(zip(parts[3::5], parts[4::5], strict=True))
            if any(self._tails.get(name, ("", 0))[1] < _SAMPLES for name, _ in new):
                self._sample_tails(style, block)
            first = next(iter(new), None)
            if not senders and first is not None and first[0] not in self._sent and first[1].endswith("\u200e"):
                # iOS begins with a notice under the chat's name: the group, or the other person.
                self.title = _clean_name(first[0])
            senders.update(new)
            if len(times) > 200_000:
                self._note_times(times, periods)
                times.clear()
        if style is None or not dates:
            raise NotThisFormat("no line begins with a date and a time", where=entry.display)
        self._note_times(times, periods)
        self.style = style
        self.order, self.reason, doubt = decide_order(list(dates), periods)
        self.meanings = {word: _meaning(word, hours, periods) for word, hours in periods.items()}
        if doubt:
            self.notes.append(Problem(where=entry.display, what=doubt, note=True, skipped=0))
        # Raw sender to (the part of the name behind a colon, clean name). A group's own name stands only before
        # WhatsApp's notices and is none of them.
        self.names: dict[str, tuple[str | None, str]] = {}
        for name, colon in senders:
            by_person = not colon.endswith("\u200e") or name in self._sent
            if colon and by_person and not colon.startswith("://") and _can_be_name(name):
                tail, seen = self._tails.get(name, (None, 0))
                joined = tail is not None and tail.strip() != "" and seen >= 3
                self.names[name] = (tail, _clean_name(f"{name}:{tail}")) if joined else (None, _clean_name(name))

    def _sample_tails(self, style: re.Pattern[str], block: str) -> None:
        """A name that holds a colon itself: the same second part follows in every line (looked at: the first 50)."""
        for match in style.finditer(block):
            name = match[3]
            tail, seen = self._tails.get(name, (None, 0))
            if seen >= _SAMPLES:
                continue
            end = match.end()
            if match[4].endswith("\u200e") and _is_media(block[end : end + 120].split("\n", 1)[0]):
                self._sent.add(name)
            second, colon, _ = block[end - (match[4][-1:] not in ": ") : end + 120].split("\n", 1)[0].partition(": ")
            now = f"{' ' if match[4].endswith(' ') else ''}{second}" if colon and len(second) <= 60 else None
            self._tails[name] = (now if seen == 0 or now == tail else None, seen + 1)

    def _note_times(self, times: dict[str, None], periods: dict[str, list[int]]) -> None:
        for time in times:
            if time[-1].isdigit() and time[0].isdigit():
                self.seconds = self.seconds or len(time) > 5
                continue
            match = _PARTS_OF_TIME.match(time)
            if match is None:
                continue
            if match[4]:
                self.seconds = True
            word = _period(match[1]) or _period(match[5])
            if word:
                hours = periods.setdefault(word, [])
                if len(hours) < 100_000:
                    hours.append(int(match[2]))

    def people(self) -> tuple[str, ...]:
        """Everyone who wrote, in order of appearance."""
        return tuple(dict.fromkeys(clean for _, clean in self.names.values()))


def _is_media(body: str) -> bool:
    """True for what stands for a picture, a sound, a withdrawn message: what only people send, never a chat's notices."""
    body = body.removeprefix("\u200e")
    return (
        body.startswith("<")
        or _DELETED.match(body) is not None
        or any(pattern.match(body) for pattern, _ in _OMITTED_IOS)
    )


def _can_be_name(name: str) -> bool:
    # A subject change quotes the old subject, which may hold a colon: an open quotation mark is no name.
    return (
        0 < len(name.strip()) <= 100
        and name.count('"') % 2 == 0
        and name.count("“") == name.count("”")
        and "\n" not in name
    )


@functools.lru_cache(4096)
def _clean_name(name: str) -> str:
    cleaned = re.sub(_M, "", name).replace("\u00a0", " ").replace("\u202f", " ").strip()
    # People who are not saved contacts are shown with a tilde.
    return cleaned.removeprefix("~").strip() or name


def _style(block: str) -> re.Pattern[str] | None:
    """The head expression of this file: bracketed or dashed, by which occurs first. Groups: date, time, sender, colon."""
    ios = re.compile(_IOS.replace("?P<date>", "").replace("?P<time>", "") + _SENDER, re.MULTILINE)
    android = re.compile(_ANDROID.replace("?P<date>", "").replace("?P<time>", "") + _SENDER, re.MULTILINE)
    first_ios, first_android = ios.search(block), android.search(block)
    first, general = first_android, android
    if first_ios is not None and (first_android is None or first_ios.start() <= first_android.start()):
        first, general = first_ios, ios
    if first is None:
        return None
    exact = _exact(first)
    # One phone writes all heads of an export in one style: looking for just that style is twice as fast.
    return exact if len(exact.findall(block)) == len(general.findall(block)) else general


def _exact(first: re.Match[str]) -> re.Pattern[str]:
    """The first head's style: its separators to the letter, any numbers, any day-period word."""
    head = first.string[first.start() : first.start(3)]
    start, date, time = first.start(), first.span(1), first.span(2)

    def literal(begin: int, end: int) -> str:
        return re.escape(head[begin - start : end - start])

    numbers = re.sub(r"\\d\+", r"\\d{1,4}", re.sub(r"\d+", r"\\d+", re.escape(first[1])))
    clock = re.sub(r"\d+", r"\\d{1,2}", re.escape(re.sub(rf"{_PERIOD}", "\0", first[2])))
    clock = clock.replace("\0", _PERIOD).replace("\\\0", _PERIOD)
    before = re.sub(_M, "", head[: date[0] - start])
    return re.compile(
        rf"^{_M}{re.escape(before)}({numbers}){literal(date[1], time[0])}({clock}){literal(time[1], first.start(3))}{_SENDER}",
        re.MULTILINE,
    )


def _period(word: str) -> str:
    """A day-period word in one spelling: lower case, without dots, spaces and marks."""
    return re.sub(rf"[.\s\u00a0\u202f\u2009]|{_M}", "", word).casefold() if word else ""


_AM = frozenset(
    [
        "am",
        "a",
        "pg",
        "pagi",
        "上午",
        "凌晨",
        "早上",
        "清晨",
        "오전",
        "午前",
        "ص",
        "முற்பகல்",
        "காலை",
        "மு",
        "tengahmalam",
        "午夜",
        "半夜",
        "dinihari",
        "fm",
        "vm",
    ]
)
_PM = frozenset(
    [
        "pm",
        "p",
        "ptg",
        "petang",
        "malam",
        "tengahhari",
        "下午",
        "晚上",
        "傍晚",
        "中午",
        "오후",
        "午後",
        "م",
        "பிற்பகல்",
        "மாலை",
        "இரவு",
        "பி",
        "மதியம்",
        "em",
        "nm",
    ]
)
_NOON = frozenset(["tengahhari", "中午", "மதியம்"])


def _meaning(word: str, hours: Sequence[int], periods: dict[str, list[int]]) -> str:
    """ "am", "pm", "noon" or "none" (a 24-hour clock with a word behind, such as `Uhr`)."""
    if word in _NOON:
        return "noon"
    if word in _PM:
        return "pm"
    if word in _AM:
        return "am"
    if max(hours, default=0) > 12:
        return "none"
    meaning = _cldr_periods().get(word)
    if meaning is not None:
        return meaning
    # Unknown pair of words: the one that begins the day in CLDR's order is unknown too; a lone word is no period.
    return "none" if len(periods) == 1 else "pm" if any(other in _AM for other in periods) else "am"


@functools.cache
def _cldr_periods() -> dict[str, str]:
    """Every locale's words for a.m. and p.m. (CLDR, through Babel). Slow; asked only for words not known above."""
    from babel import Locale, UnknownLocaleError
    from babel.localedata import locale_identifiers

    words: dict[str, str] = {}
    for identifier in locale_identifiers():
        try:
            periods = Locale.parse(identifier).day_periods
        except (UnknownLocaleError, ValueError):
            continue
        for context in periods.values():
            for width in context.values():
                for key, word in width.items():
                    side = "am" if key in ("am", "midnight", "morning1", "morning2", "night2") else "pm"
                    if key in ("am", "pm"):
                        words[_period(word)] = side
                    else:
                        words.setdefault(_period(word), "noon" if key == "noon" else side)
    return words


# ---------------------------------------------------------------- second pass: the messages


def _blocks(entry: Entry, notes: list[Problem] | None) -> Iterator[tuple[str, bool]]:
    """Yield (text, last) in pieces that end at a line's end; line ends are `\\n`. Raises: OSError, UnreadableInput."""
    encoding = sniff_encoding(entry.head)
    decoder = codecs.getincrementaldecoder("utf-8" if encoding == "utf-8-sig" else encoding)("strict")
    kept = ""
    said = False
    with entry.open() as stream:
        first = True
        while True:
            raw = stream.read(_BLOCK)
            state = decoder.getstate()
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                decoder.setstate(state)
                text = _decode_anyway(decoder, raw)
                if not said and notes is not None:
                    notes.append(
                        Problem(
                            where=entry.display,
                            what=f"holds bytes that are not {encoding} ({error.reason}): read as Windows-1252; if words look "
                            "wrong, export the chat again",
                            note=True,
                            skipped=0,
                        )
                    )
                said = True
            if first:
                text = text.removeprefix("\ufeff")
                first = False
            text = kept + text
            if raw and text.endswith("\r"):
                # Its line feed may come with the next block.
                kept, text = "\r", text[:-1]
            else:
                kept = ""
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if not raw:
                yield text, True
                return
            end = text.rfind("\n") + 1
            kept = text[end:] + kept
            text = text[:end]
            if len(kept) > _LONGEST:
                if notes is not None:
                    notes.append(
                        Problem(where=entry.display, what="holds a line longer than any message: cut", skipped=0)
                    )
                # Hold the start only, and let the rest of that line go by.
                text += kept[:65_536] + "\n"
                kept = ""
                _pass_line(stream)
                decoder.reset()
            if text:
                yield text, False


def _pass_line(stream: BinaryIO) -> None:
    while True:
        piece = stream.readline(_BLOCK)
        if not piece or piece.endswith(b"\n"):
            return


def _decode_anyway(decoder: codecs.IncrementalDecoder, raw: bytes) -> str:
    pending = decoder.getstate()[0]
    decoder.reset()
    return (pending + raw).decode("utf-8", _CP1252)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_CP1252 = "jaga-cp1252"
codecs.register_error(_CP1252, _as_cp1252)

_WITHIN_HOUR = tuple(timedelta(seconds=second) for second in range(3600))


class _Times:
    """Stamps to UTC: one look-up per day and hour, however many messages."""

    def __init__(self, survey: _Survey, context: Context) -> None:
        self._survey = survey
        self._context = context
        self._days: dict[str, list[datetime | None] | None] = {}
        self._clock: dict[str, tuple[int, int] | None] = {}
        self._midnights: dict[str, datetime | None] = {}
        self._since: dict[str, timedelta | None] = {}

    def __call__(self, day: str, time: str) -> datetime | None:
        """UTC, or None if the day does not exist in the file's order or the time is none."""
        try:
            hours = self._days[day]
        except KeyError:
            there = date_of(day, self._survey.order)
            hours = self._days[day] = None if there is None else [None] * 24
        if hours is None:
            return None
        try:
            clock = self._clock[time]
        except KeyError:
            if len(self._clock) > 200_000:
                self._clock.clear()
            clock = self._clock[time] = self._read(time)
        if clock is None:
            return None
        hour, second = clock
        start = hours[hour]
        if start is None:
            there = date_of(day, self._survey.order)
            assert there is not None
            start = hours[hour] = self._context.utc(datetime(there.year, there.month, there.day, hour))
        return start + _WITHIN_HOUR[second]

    def many(self, days: Sequence[str], times: Sequence[str]) -> list[datetime | None]:
        """The same for many stamps at once, without a call for each."""
        midnights, since = self._midnights, self._since
        for day in set(days) - midnights.keys():
            midnights[day] = self._midnight(day)
        if len(since) > 200_000:
            since.clear()
        for time in set(times) - since.keys():
            clock = self._read(time)
            since[time] = None if clock is None else timedelta(hours=clock[0], seconds=clock[1])
        try:
            return [midnights[day] + since[time] for day, time in zip(days, times, strict=True)]  # type: ignore[operator, misc]
        except TypeError:
            # A day that does not exist or on which the clocks changed, or a time that is none.
            return [self(day, time) for day, time in zip(days, times, strict=True)]

    def _midnight(self, day: str) -> datetime | None:
        """The day's beginning in UTC; None when hours from then on do not all lie as far ahead as the clock says."""
        there = date_of(day, self._survey.order)
        if there is None:
            return None
        first, last = (self._context.utc(datetime(there.year, there.month, there.day, hour)) for hour in (0, 23))
        return first if last - first == timedelta(hours=23) else None

    def _read(self, time: str) -> tuple[int, int] | None:
        if len(time) == 8 and time[2] == time[5] == ":" and time.replace(":", "").isdigit():
            hour, minute, second = int(time[:2]), int(time[3:5]), int(time[6:])
            return (hour, minute * 60 + second) if hour < 24 and minute < 60 and second < 60 else None
        match = _PARTS_OF_TIME.match(time)
        if match is None:
            return None
        hour, minute, second = int(match[2]), int(match[3]), int(match[4] or 0)
        meaning = self._survey.meanings.get(_period(match[1]) or _period(match[5]), "none")
        if meaning == "pm" and hour < 12:
            hour += 12
        elif meaning == "am" and hour == 12:
            hour = 0
        elif meaning == "noon" and hour < 10:
            hour += 12
        if hour > 23 or minute > 59 or second > 59:
            return None
        return hour, minute * 60 + second


class _Heads(NamedTuple):
    """A block taken apart: what stands before its first head, then for each head its time, sender, colon and what follows it."""

    lead: str
    times: list[datetime]
    senders: list[str]
    colons: list[str]
    bodies: list[str]


def _heads(block: str, style: re.Pattern[str], times: _Times) -> _Heads:
    # In C as far as it goes: this is where the time of a check's reading is spent.
    parts = style.split(block)
    found = times.many(parts[1::5], parts[2::5])
    if None not in found:
        return _Heads(parts[0], cast("list[datetime]", found), parts[3::5], parts[4::5], parts[5::5])
    # What looks like a head but names a day that does not exist is part of what was being said.
    heads = [(at, match) for match in style.finditer(block) if (at := times(match[1], match[2])) is not None]
    starts = [match.start() for _, match in heads] + [len(block)]
    return _Heads(
        block[: starts[0]],
        [at for at, _ in heads],
        [match[3] for _, match in heads],
        [match[4] for _, match in heads],
        [block[match.end() : end] for (_, match), end in zip(heads, starts[1:], strict=True)],
    )


def _messages(entry: Entry, survey: _Survey, conversation: str, context: Context) -> Iterator[Message | Problem]:
    times = _Times(survey, context)
    names = survey.names
    # Senders whose name holds no colon, for the common case.
    simple = {sender: author for sender, (tail, author) in names.items() if tail is None}
    number = 1
    # The head whose body is not yet complete: time, sender, colon, and the body so far; `number` is its line.
    at: datetime | None = None
    sender = colon = kept = ""
    for block, _ in _blocks(entry, None):
        heads = _heads(block, survey.style, times)
        # Looked for once in a block: most chats have none of some.
        angles, marks, brackets = ">" in block, "\u200e" in block, " (" in block
        maps = "maps.google.com" in block
        kept += heads.lead
        if heads.times:
            if at is not None:
                yield _message(at, sender, colon, kept, number, names, conversation)
            elif kept.strip():
                yield Problem(
                    where=f"{entry.display}: line {number}",
                    what="text before the first message belongs to no sender: left out",
                )
            number += kept.count("\n")
            kept = heads.bodies.pop()
            last = heads.times[-1], heads.senders[-1], heads.colons[-1]
            # `zip` ends with the bodies: the last head's may go on in the next block.
            for at, sender, colon, body in zip(heads.times, heads.senders, heads.colons, heads.bodies, strict=False):
                author = simple.get(sender)
                if (
                    author is not None
                    and colon == ": "
                    and not (angles and ">" in body)
                    and not (marks and "\u200e" in body)
                    and not (brackets and " (" in body)
                    and not (maps and "maps.google.com" in body)
                    and body[:4].lower() not in _DELETED_STARTS
                ):
                    yield Message(
                        conversation=conversation,
                        author=author,
                        sent_at=at,
                        text=body[:-1],
                        platform="whatsapp",
                        where=f"line {number}",
                    )
                else:
                    yield _message(at, sender, colon, body, number, names, conversation)
                number += body.count("\n")
            at, sender, colon = last
        if len(kept) > _LONGEST:
            yield Problem(
                where=f"{entry.display}: line {number}", what="is longer than any message: its start is read", skipped=0
            )
            number += kept.count("\n")
            kept = kept[:65_536].replace("\n", " ")
    if at is not None:
        yield _message(at, sender, colon, kept, number, names, conversation)


def _message(
    at: datetime,
    sender: str,
    colon: str,
    body: str,
    line: int,
    names: dict[str, tuple[str | None, str]],
    conversation: str,
) -> Message:
    known = names.get(sender) if colon else None
    if body.endswith("\n"):
        body = body[:-1]
    if known is None:
        if colon.endswith("\u200e") and sender and _can_be_name(sender):
            return _special(at, _clean_name(sender), "\u200e" + body, line, conversation)
        return Message(
            conversation=conversation,
            author="",
            sent_at=at,
            text=f"{sender}{colon}{body}".replace("\u200e", ""),
            platform="whatsapp",
            kind="system",
            where=f"line {line}",
        )
    tail, author = known
    if tail is not None:
        body = body.removeprefix(tail.lstrip(" ")).removeprefix(":").removeprefix(" ")
    if colon[-1] == "\u200e":
        return _special(at, author, "\u200e" + body, line, conversation)
    if "\u200e" in body or ">" in body or " (" in body or "maps.google.com" in body:
        return _special(at, author, body, line, conversation)
    # The common case: plain words.
    if body[:4].lower() in _DELETED_STARTS and _DELETED.match(body):
        return Message(
            conversation=conversation,
            author=author,
            sent_at=at,
            text="",
            platform="whatsapp",
            kind="deleted",
            where=f"line {line}",
        )
    return Message(
        conversation=conversation, author=author, sent_at=at, text=body, platform="whatsapp", where=f"line {line}"
    )


def _special(at: datetime, author: str, body: str, line: int, conversation: str) -> Message:
    by_app = body.startswith("\u200e")
    text = body.lstrip("\u200e").replace("\n\u200e", "\n")
    kind: MessageKind = "text"
    attachments: tuple[Attachment, ...] = ()
    edited = False
    mark = _EDITED.search(text)
    if mark is not None and mark.start() > 0 and ("\u200e<" in mark.group() or _EDIT_WORDS.search(mark[1])):
        text = text[: mark.start()].rstrip("\u200e")
        edited = True
    attached = _ATTACHED_IOS.match(text) or _ATTACHED_ANDROID.match(text)
    if attached is not None:
        name = attached[1].strip().lstrip("\u200e")
        attachments = (Attachment(kind=_attachment_kind(name), name=name, path=name),)
        text = text[attached.end() :].strip("\n\u200e ")
        kind = "text" if text else "media"
    elif _DELETED.match(text):
        kind, text = "deleted", ""
    elif _LOCATION.match(text):
        attachments = (Attachment(kind="location"),)
    elif _ONLY_ANGLES.match(text):
        attachments, kind, text = (Attachment(kind="other"),), "media", ""
    elif by_app:
        for pattern, what in _OMITTED_IOS:
            if pattern.match(text):
                attachments, kind, text = (Attachment(kind=what),), "media", ""
                break
        else:
            if text.startswith(("POLL:", "Poll:")) or "\n" in text:
                kind = "text"
            else:
                kind = "call" if _CALL.match(text) else "system"
    else:
        # Captions on iOS: the mark of the picture stands on the first line, behind the words.
        inner = re.search(r"\n?\u200e?<[^<>\n:]{2,20}: ?([^<>\n:]+\.\w{2,5})>", text)
        if inner is not None:
            name = inner[1].strip()
            attachments = (Attachment(kind=_attachment_kind(name), name=name, path=name),)
            text = (text[: inner.start()] + text[inner.end() :]).strip()
    return Message(
        conversation=conversation,
        author=author,
        sent_at=at,
        text=text.replace("\u200e", ""),
        platform="whatsapp",
        kind=kind,
        attachments=attachments,
        edited=edited,
        where=f"line {line}",
    )


def _attachment_kind(name: str) -> AttachmentKind:
    if name.upper().startswith("PTT"):
        return "voice"
    return _KIND_BY_SUFFIX.get(name.rsplit(".", 1)[-1].lower(), "document")
