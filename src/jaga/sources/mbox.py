"""Mail in an mbox file (Google Takeout, Thunderbird): streamed, one message at a time.

A message begins at `From ` after an empty line. Only the plain text is read (or the words of the HTML), attachments are named. A thread is
`X-GM-THRID` where Gmail wrote it, else the people in it. The owner is who sent what is labelled `Sent`. Source: RFC 4155, RFC 5322.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timezone
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime

from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._lines import bounded_lines
from jaga.sources._tree import Entry

__all__ = ["Mbox"]

# One mail may carry attachments; what is behind this many bytes is not read.
_LARGEST = 40 << 20
_TAGS = re.compile(
    r"<(?:script|style)[^>]{0,200}>.{0,20000}?</(?:script|style)>|<[^>]{0,2000}>", re.DOTALL | re.IGNORECASE
)
_QUOTED = re.compile(r"^(?:>.*|On .{5,120} wrote:)$", re.MULTILINE)


class Mbox:
    """Reads mails in file order."""

    name = "mbox"
    title = "E-mail (mbox)"
    reference = "https://www.rfc-editor.org/rfc/rfc4155"
    order = 60

    def recognises(self, entry: Entry) -> bool:
        head = entry.head[:8192]
        return (
            head.startswith(b"From ")
            and re.search(rb"^(?:Message-ID|From|Date|Subject|X-GM-THRID):", head, re.MULTILINE | re.IGNORECASE)
            is not None
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield mails as messages and their threads as conversations; a broken mail is a Problem. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        threads: set[str] = set()
        senders: Counter[str] = Counter()
        for number, raw, cut in _mails(entry):
            if cut:
                yield Problem(
                    where=f"{entry.display}: line {number}",
                    what="has a line longer than any mail (1 MiB), or is larger than 40 MiB: its start is read",
                    skipped=0,
                )
            try:
                mail = BytesParser(policy=policy.default).parsebytes(raw)
                sent_at = parsedate_to_datetime(str(mail["Date"]))
                sent_at = (
                    sent_at.replace(tzinfo=timezone.utc) if sent_at.tzinfo is None else sent_at.astimezone(timezone.utc)
                )
                (name, author), *_ = getaddresses([str(mail["From"])])
                others = [
                    address.lower()
                    for _, address in getaddresses([str(mail[key]) for key in ("To", "Cc") if mail[key]])
                    if address
                ]
                text, attachments = _body(mail)
                subject = str(mail["Subject"] or "")
                identity = str(mail["Message-ID"] or "").strip() or None
                thread = str(mail["X-GM-THRID"] or "")
                sent = "sent" in str(mail["X-Gmail-Labels"] or "").lower()
            except Exception as error:  # noqa: BLE001 the library meets hostile headers with many kinds of errors
                yield Problem(
                    where=f"{entry.display}: line {number}",
                    what=f"is not a mail that can be read: {type(error).__name__}",
                )
                continue
            author = author.lower()
            if sent:
                senders[author] += 1
            people = tuple(dict.fromkeys((author, *others)))
            conversation = digest("email", thread) if thread else digest("email", *sorted(people))
            if conversation not in threads:
                threads.add(conversation)
                yield Conversation(
                    id=conversation,
                    platform="email",
                    kind="direct" if len(people) <= 2 else "group",
                    title=subject or None,
                    participants=people,
                    clock=Clock(zone="stated per message", zone_known=True),
                )
            yield Account(id=author, platform="email", name=name or None)
            yield Message(
                conversation=conversation,
                author=author,
                sent_at=sent_at,
                text=f"{subject}\n{text}".strip(),
                platform="email",
                source_id=identity,
                reply_to=str(mail["In-Reply-To"]).strip() if mail["In-Reply-To"] else None,
                attachments=attachments,
                where=f"line {number}",
            )
        for author, _ in senders.most_common(1):
            yield Account(id=author, platform="email", relation="owner")


def _mails(entry: Entry) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (line where it begins, bytes of the mail, whether some are missing) without holding more than one."""
    with entry.open() as stream:
        lines: list[bytes] = []
        start, size, blank, cut = 0, 0, True, False
        for number, line, long in bounded_lines(stream):
            if blank and line.startswith(b"From "):
                if lines:
                    yield start, b"\n".join(lines), cut or size > _LARGEST
                lines, start, size, cut = [], number, 0, False
            elif start:
                size += len(line) + 1
                if size <= _LARGEST:
                    lines.append(line[1:] if line.startswith(b">From ") else line)
            blank = not line
            cut = cut or long
        if lines:
            yield start, b"\n".join(lines), cut or size > _LARGEST


def _body(mail: EmailMessage) -> tuple[str, tuple[Attachment, ...]]:
    part = mail.get_body(preferencelist=("plain", "html"))
    text = ""
    if part is not None:
        text = str(part.get_content())
        if part.get_content_subtype() == "html":
            text = _TAGS.sub(" ", text)
    found = []
    for attached in mail.iter_attachments():
        main = attached.get_content_maintype()
        kind: AttachmentKind = main if main in ("image", "video", "audio") else "document"  # type: ignore[assignment]
        found.append(Attachment(kind=kind, name=attached.get_filename(), mime=attached.get_content_type()))
    # What is quoted was said before, by someone else.
    return _QUOTED.sub("", text).strip(), tuple(found)
