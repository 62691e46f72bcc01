"""SMS Backup & Restore (SyncTech, Android): `<smses>` with `<sms>` and `<mms>`.

Streamed by expat: no DTD, no entities, memory does not grow. Emoji may be written as two surrogate references
(`&#55357;&#56834;`), which is not well-formed XML; they are joined before the parser sees them. `readable_date` is locale
text and is not used. Source: synctech.com.au/sms-backup-restore/fields-in-xml-backup-files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.parsers import expat

from jaga.errors import HostileInput, UnreadableInput
from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix_ms, own_units
from jaga.sources._tree import Entry

__all__ = ["SmsXml"]

OWNER = "me"
_SURROGATES = re.compile(rb"&#(5[5-6]\d{3}|x[dD][89abAB][0-9a-fA-F]{2});&#(5[6-7]\d{3}|x[dD][c-fC-F][0-9a-fA-F]{2});")
_LONE = re.compile(rb"&#(?:5[5-7]\d{3}|x[dD][89a-fA-F][0-9a-fA-F]{2});")
# A picture: so much base64 in a row is nobody's words, wherever it stands.
_PICTURE = 4096
_DATA = re.compile(rb'\sdata="(?=[A-Za-z0-9+/=]{4096})')
# Between two elements stands one message; with its picture left out, far less than this.
_LARGEST = 16 << 20
_BLOCK = 1 << 18
_SENT = {"2", "4", "5", "6"}


class SmsXml:
    """Reads messages in file order."""

    name = "sms_xml"
    title = "SMS Backup & Restore"
    reference = "https://synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        head = entry.head[:8192]
        return b"<smses" in head and (b"<?xml" in head or head.lstrip().startswith(b"<smses"))

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield conversations and messages. Raises: UnreadableInput where the file breaks off, HostileInput, OSError."""
        (entry,) = unit
        reader = _Reader(entry)
        yield Account(id=OWNER, platform="sms", relation="owner")
        known: set[str] = set()
        for record, people, names in reader.messages():
            if isinstance(record, Problem):
                yield record
                continue
            if record.conversation not in known:
                known.add(record.conversation)
                for person in people:
                    # A group's backup names all of its people in one field, in no order that can be relied on.
                    yield Account(id=person, platform="sms", name=(names or person) if len(people) == 1 else None)
                yield Conversation(
                    id=record.conversation,
                    platform="sms",
                    kind="direct" if len(people) == 1 else "group",
                    title=names,
                    participants=(OWNER, *people),
                    clock=Clock(zone="UTC", zone_known=True, precision_s=0.001),
                )
            yield record


class _Reader:
    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._found: list[tuple[Message | Problem, tuple[str, ...], str | None]] = []
        self._mms: dict[str, Any] | None = None
        # Inside the attribute that holds a picture; bytes since the last element began.
        self._in_data = False
        self._since = 0
        # What was recoded may still declare what it was.
        self._parser = expat.ParserCreate("UTF-8" if entry.wide else None)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.buffer_text = True

    def messages(self) -> Iterator[tuple[Message | Problem, tuple[str, ...], str | None]]:
        rest = b""
        with self._entry.open() as stream:
            while True:
                block = stream.read(_BLOCK)
                raw = rest + block
                if block:
                    # A reference must not be cut in two, nor the start of a picture.
                    cuts = (
                        raw.rfind(b"&", max(0, len(raw) - 24)),
                        raw.rfind(b' data="', max(0, len(raw) - _PICTURE - 8)),
                    )
                    cut = min((cut for cut in cuts if cut >= 0), default=len(raw))
                    rest, raw = raw[cut:], raw[:cut]
                else:
                    rest = b""
                raw = self._without_data(raw)
                self._since += len(raw)
                if self._since > _LARGEST:
                    raise HostileInput("holds an element larger than any message", where=self._entry.display)
                raw = _LONE.sub("\ufffd".encode(), _SURROGATES.sub(_join, raw))
                try:
                    self._parser.Parse(raw, not block)
                except expat.ExpatError as error:
                    yield from self._found
                    raise UnreadableInput(
                        f"is damaged or cut short at line {error.lineno}: {expat.ErrorString(error.code)}",
                        where=self._entry.display,
                        remedy="what stands before is read; export it again for the rest",
                    ) from error
                yield from self._found
                self._found.clear()
                if not block:
                    return

    def _without_data(self, raw: bytes) -> bytes:
        """Pictures stand in the file as base64 in one attribute, gigabytes in all: they pass by unread."""
        if not self._in_data and b' data="' not in raw:
            return raw
        kept = []
        position = 0
        while True:
            if self._in_data:
                end = raw.find(b'"', position)
                if end < 0:
                    break
                position, self._in_data = end, False
            found = _DATA.search(raw, position)
            if found is None:
                kept.append(raw[position:])
                break
            kept.append(raw[position : found.end()])
            position, self._in_data = found.end(), True
        return b"".join(kept)

    def _doctype(self, *_: object) -> None:
        raise HostileInput("declares entities, which a backup never does: not read", where=self._entry.display)

    def _start(self, name: str, fields: dict[str, str]) -> None:
        self._since = 0
        if name == "sms":
            self._sms(fields)
        elif name == "mms":
            self._mms = {**fields, "parts": [], "addrs": []}
        elif self._mms is not None and name == "part":
            self._mms["parts"].append({key: fields.get(key) for key in ("ct", "text", "fn", "cl", "name")})
        elif self._mms is not None and name == "addr":
            self._mms["addrs"].append((fields.get("address"), fields.get("type")))

    def _end(self, name: str) -> None:
        if name == "mms" and self._mms is not None:
            mms, self._mms = self._mms, None
            self._finish(mms)

    def _where(self) -> str:
        return f"line {self._parser.CurrentLineNumber}"

    def _add(
        self,
        people: tuple[str, ...],
        mine: bool,
        author: str,
        fields: dict[str, Any],
        text: str,
        attachments: tuple[Attachment, ...],
    ) -> None:
        stamp = str(fields.get("date", ""))
        sent_at = from_unix_ms(int(stamp)) if stamp.isdigit() else None
        if sent_at is None or not people:
            self._found.append(
                (
                    Problem(
                        where=f"{self._entry.display}: {self._where()}", what="has no valid time or address: left out"
                    ),
                    (),
                    None,
                )
            )
            return
        message = Message(
            conversation=digest("sms", *sorted(people)),
            author=OWNER if mine else author,
            sent_at=sent_at,
            text=text,
            platform="sms",
            kind="media" if attachments and not text else "text",
            attachments=attachments,
            where=self._where(),
        )
        name = fields.get("contact_name")
        self._found.append((message, people, name if name and name not in ("null", "(Unknown)") else None))

    def _sms(self, fields: dict[str, str]) -> None:
        if fields.get("type") == "3":
            # A draft was never sent.
            return
        address = fields.get("address", "")
        body = fields.get("body", "")
        people = (address,) if address and address != "null" else ()
        self._add(people, fields.get("type") in _SENT, address, fields, "" if body == "null" else body, ())

    def _finish(self, mms: dict[str, Any]) -> None:
        people = tuple(sorted({one for one in str(mms.get("address", "")).split("~") if one and one != "null"}))
        sender = next((address for address, kind in mms["addrs"] if kind == "137"), None)
        author = sender if sender and sender != "insert-address-token" else (people[0] if people else "")
        texts, attachments = [], []
        for part in mms["parts"]:
            mime = part["ct"] or ""
            if mime == "text/plain":
                if part["text"] not in (None, "null"):
                    texts.append(part["text"])
            elif mime != "application/smil":
                kind: AttachmentKind = next(
                    (kind for kind in ("image", "video", "audio") if mime.startswith(kind)), "document"
                )
                name = next((part[key] for key in ("fn", "cl", "name") if part[key] not in (None, "null")), None)
                attachments.append(Attachment(kind=kind, name=name, mime=mime))
        self._add(people, mms.get("msg_box") == "2", author, mms, "\n".join(texts), tuple(attachments))


def _join(match: re.Match[bytes]) -> bytes:
    high, low = (int(part[1:], 16) if part[:1] == b"x" else int(part) for part in match.groups())
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return match.group()
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).encode()
