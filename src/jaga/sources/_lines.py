"""Text from hostile files: lines of bounded length, and the encoding found out rather than assumed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO, cast

from jaga.records import Problem
from jaga.sources._tree import Entry

__all__ = ["MAX_LINE_BYTES", "bounded_lines", "decode_head", "sniff_encoding", "text_lines"]

# The longest line kept: WhatsApp's own limit is 65,536 characters, 4 bytes each at most.
MAX_LINE_BYTES = 1 << 20


def bounded_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (number from 1, line without its end, cut) for `\\n`, `\\r\\n` and lone `\\r` ends alike.

    A line over MAX_LINE_BYTES is cut there (`cut` is True) and the rest of it is passed over without being held.
    """
    number = 0
    passing = False
    while True:
        line = stream.readline(MAX_LINE_BYTES)
        if not line:
            return
        whole = line.endswith(b"\n")
        if passing:
            passing = not whole
            continue
        number += 1
        if not whole and len(line) >= MAX_LINE_BYTES:
            passing = True
            yield number, line, True
            continue
        line = line[:-1] if whole else line
        line = line.removesuffix(b"\r")
        if b"\r" in line:
            parts = line.split(b"\r")
            for part in parts[:-1]:
                yield number, part, False
                number += 1
            line = parts[-1]
        yield number, line, False


def sniff_encoding(head: bytes) -> str:
    """The encoding that a file's first bytes show: by byte-order mark, by zero bytes, else UTF-8."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:4096]
    if len(sample) >= 8 and b"\0" in sample:
        # Mostly Latin text in UTF-16 has a zero in every second byte.
        if sample[1::2].count(0) > len(sample) // 4:
            return "utf-16-le"
        if sample[0::2].count(0) > len(sample) // 4:
            return "utf-16-be"
    return "utf-8"


def decode_head(head: bytes) -> str:
    """The start of a file as text, for recognising it; never raises. The mark at the start is left out."""
    return head.decode(sniff_encoding(head), "replace").lstrip("\ufeff")


def text_lines(entry: Entry) -> Iterator[tuple[int, str] | Problem]:
    """Yield (number from 1, line) of a text file, and a Problem for what is not as it should be.

    Bytes that are not valid in the file's encoding are read as Windows-1252, said once. A line that is too long is cut, and said.
    Raises: OSError, UnreadableInput.
    """
    encoding = sniff_encoding(entry.head)
    said = False
    with entry.open() as raw:
        if encoding.startswith("utf-16"):
            stream = cast(BinaryIO, _Utf16(raw, encoding))
            encoding = "utf-8"
        else:
            stream = raw
        for number, line, cut in bounded_lines(stream):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if cut:
                yield Problem(
                    where=f"{entry.display}: line {number}",
                    what="is longer than any message (1 MiB): its start is read, the rest of the line left out",
                    skipped=0,
                )
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError:
                if not said and not cut:
                    said = True
                    yield Problem(
                        where=f"{entry.display}: line {number}",
                        what="is not UTF-8: read as Windows-1252; if names or words look wrong, export again "
                        "without opening the file in another program",
                        skipped=0,
                        note=True,
                    )
                yield number, line.decode("cp1252" if not cut else "utf-8", "replace")


class _Utf16:
    """A UTF-16 stream as UTF-8 lines; just what `bounded_lines` needs."""

    def __init__(self, raw: BinaryIO, encoding: str) -> None:
        self._reader = codecs.getreader(encoding)(raw, "replace")
        self._pending = ""

    def readline(self, limit: int) -> bytes:
        while "\n" not in self._pending and len(self._pending) < limit:
            chunk = self._reader.read(1 << 14)
            if not chunk:
                break
            self._pending += chunk
        end = self._pending.find("\n")
        cut = min(limit, len(self._pending)) if end < 0 else end + 1
        line, self._pending = self._pending[:cut], self._pending[cut:]
        return line.encode("utf-8", "replace")
