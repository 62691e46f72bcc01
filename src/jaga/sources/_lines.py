"""Text from hostile files: lines of bounded length, and the encoding found out rather than assumed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar, cast

from jaga.records import Problem
from jaga.sources._tree import Entry

__all__ = [
    "MAX_LINE_BYTES",
    "bounded_lines",
    "csv_rows",
    "decode_head",
    "head_lines",
    "sniff_encoding",
    "text_lines",
    "utterances",
]

# The longest line kept: WhatsApp's own limit is 65,536 characters, 4 bytes each at most.
MAX_LINE_BYTES = 1 << 20
# The longest message kept when it runs over many lines, in characters.
MAX_TEXT = 1 << 20

_Head = TypeVar("_Head")


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


def head_lines(head: bytes) -> list[str]:
    """The lines at the start of a file that are not blank, as they stand; the last may be cut. Never raises."""
    return [line for line in decode_head(head).splitlines() if line.strip()]


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


def utterances(entry: Entry, begins: Callable[[str], _Head | None]) -> Iterator[tuple[int, _Head, str] | Problem]:
    """Yield (line number, head, the lines after it joined by `\\n`) of an export in which a message begins with a head line.

    `begins` returns what a head line says, None for a line that goes on with the message before. Blank lines at a message's end
    are the space before the next. Lines before the first head are passed over. Memory: one message.
    Raises: OSError, UnreadableInput.
    """
    head: _Head | None = None
    at = held = 0
    rest: list[str] = []
    for item in text_lines(entry):
        if isinstance(item, Problem):
            yield item
            continue
        number, line = item
        found = begins(line)
        if found is None:
            if head is not None:
                held += len(line) + 1
                if held <= MAX_TEXT:
                    rest.append(line)
                elif held - len(line) - 1 <= MAX_TEXT:
                    yield Problem(
                        where=f"{entry.display}: line {number}",
                        what="belongs to a message longer than any app sends (1 MiB): its start is read, the rest left out",
                        skipped=0,
                    )
            continue
        if head is not None:
            yield at, head, "\n".join(rest).rstrip("\n")
        head, at, held = found, number, 0
        rest.clear()
    if head is not None:
        yield at, head, "\n".join(rest).rstrip("\n")


def csv_rows(entry: Entry, delimiter: str = ",") -> Iterator[tuple[int, list[str]] | Problem]:
    """Yield (number of its last line, row) of a CSV file, blank rows left out; a row that cannot be one is a Problem.

    A quotation mark that is never closed costs the rows it swallows, at most 128 KiB, not the rest of the file.
    Raises: OSError, UnreadableInput.
    """
    problems: list[Problem] = []
    reader = csv.reader(_csv_lines(entry, problems), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            yield from problems
            return
        except csv.Error as error:
            row = []
            problems.append(
                Problem(
                    where=f"{entry.display}: up to line {reader.line_num}",
                    what=f"is no row of a table ({error}): left out",
                )
            )
        yield from problems
        problems.clear()
        if any(row):
            yield reader.line_num, row


def _csv_lines(entry: Entry, problems: list[Problem]) -> Iterator[str]:
    for item in text_lines(entry):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            # A zero byte is no part of any text and stops the reader of older Pythons.
            yield item[1].replace("\0", "") + "\n"


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
