"""JSON from hostile files: elements of an array one by one, so memory does not grow with the file,
and everything before a truncation is still read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import ijson
import msgspec

from jaga.errors import UnreadableInput
from jaga.sources._lines import decode_head
from jaga.sources._tree import Entry

__all__ = [
    "JSON_ERRORS",
    "MAX_DOCUMENT_BYTES",
    "Part",
    "clean_stream",
    "elements",
    "load",
    "nested",
    "opens",
    "salvage",
    "scalars",
    "top_keys",
]

# A document that a source loads whole (an account file, a channel description) is small.
MAX_DOCUMENT_BYTES = 64 << 20
# The longest text in a document that is read element by element.
MAX_TEXT_BYTES = 1 << 20


def top_keys(entry: Entry) -> dict[str, str]:
    """The keys of the outermost object that the head shows, each with how its value begins (`{ [ " 0 t f n`).

    Empty when the file is not a JSON object. For an array of objects: the keys of its first object.
    Tolerant: looks at the head only, whatever the order of keys. Never raises.
    """
    try:
        text = decode_head(entry.head).lstrip()
    except (OSError, UnreadableInput):
        return {}
    if text.startswith("["):
        text = text[1:].lstrip()
    if not text.startswith("{"):
        return {}
    keys: dict[str, str] = {}
    depth = 0
    position = 0
    expecting = True
    while position < len(text):
        char = text[position]
        if char == '"':
            end = position + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            if depth == 1 and expecting:
                rest = text[end + 1 : end + 200].lstrip()
                if rest.startswith(":"):
                    keys[text[position + 1 : end]] = rest[1:].lstrip()[:1]
                    expecting = False
            position = end + 1
            continue
        if char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                break
        elif char == "," and depth == 1:
            expecting = True
        position += 1
    return keys


def opens(entry: Entry, *keys: str) -> bool:
    """True if the outermost object (or the first object of the outermost array) has all these keys in the head."""
    found = top_keys(entry)
    return all(key in found for key in keys)


def load(entry: Entry) -> Any:
    """A small JSON document as Python objects. Raises: UnreadableInput, OSError."""
    with entry.open() as stream:
        raw = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise UnreadableInput("is larger than such a file can be", where=entry.display)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableInput(f"is not valid JSON: {error}", where=entry.display, remedy="export it again") from error


def salvage(entry: Entry) -> tuple[Any, UnreadableInput | None]:
    """`load`, and of a document that is cut short what stands before the cut, with the error to raise when that is told.

    Raises: OSError; UnreadableInput when there is nothing, or the document is too large.
    """
    try:
        return load(entry), None
    except UnreadableInput as error:
        if entry.size is not None and entry.size > MAX_DOCUMENT_BYTES:
            raise
        builder = ijson.ObjectBuilder()
        count = 0
        with entry.open() as raw:
            try:
                for event, value in ijson.basic_parse(clean_stream(raw), use_float=True):
                    builder.event(event, value)
                    count += 1
            except JSON_ERRORS:
                pass
        if not count:
            raise
        return builder.value, UnreadableInput(
            f"is damaged or cut short: {error.what}",
            where=entry.display,
            remedy="what stands before is read; export it again for the rest",
        )


def elements(
    entry: Entry, prefix: str, *, skip_to: bytes | None = None, tell_cut: bool = True
) -> Iterator[tuple[int, Any]]:
    """Yield (index from 0, element) of the array(s) at `prefix` in ijson's notation, e.g. `messages.item`.

    Numbers are int or float. `skip_to`: begin at the first such byte (X archives put JavaScript before the array).
    Elements before a truncation are yielded, then it raises: UnreadableInput naming how many were read. Of a text longer than
    MAX_TEXT_BYTES the start is given; when all is read, that raises too (`tell_cut`: False for a look at something else in the file).
    """
    index = 0
    with entry.open() as raw:
        stream = clean_stream(raw, skip_to)
        try:
            for element in ijson.items(stream, prefix, use_float=True):
                yield index, element
                index += 1
        except JSON_ERRORS as error:
            raise _broken(entry, error, index) from error
        if tell_cut:
            stream.check(entry)


class Part(msgspec.Struct, frozen=True):
    """One element of an array inside another element, or the array's beginning (`index` None)."""

    # What the object that holds the array says before it (scalars only).
    header: dict[str, Any]
    index: int | None = None
    element: Any = None


def nested(
    entry: Entry, prefixes: Collection[str], *, aside: str | None = None, skip_to: bytes | None = None
) -> Iterator[Part]:
    """Walk arrays that lie in objects (the messages of each chat), in one pass and one element at a time.

    `prefixes` name the elements in ijson's notation, e.g. `chats.list.item.messages.item`. A Part without an index comes at each array's
    beginning. `aside`: the prefix of an object whose scalars are put into every header under that name, if it stands before.
    Elements before a truncation are yielded, then it raises: UnreadableInput.
    """
    holders = {prefix.rpartition(".item")[0].rpartition(".")[0] for prefix in prefixes}
    arrays = {prefix.removesuffix(".item") for prefix in prefixes}
    headers: dict[str, dict[str, Any]] = {holder: {} for holder in holders}
    others: dict[str, Any] = {}
    header: dict[str, Any] = {}
    index = 0
    with entry.open() as raw:
        stream = clean_stream(raw, skip_to)
        builder: ijson.ObjectBuilder | None = None
        element = ""
        try:
            for prefix, event, value in ijson.parse(stream, use_float=True):
                if builder is not None:
                    builder.event(event, value)
                    if prefix == element and event == "end_map":
                        built, builder = builder.value, None
                        yield Part(header, index, built)
                        index += 1
                elif event == "start_map":
                    if prefix in prefixes:
                        builder, element = ijson.ObjectBuilder(), prefix
                        builder.event(event, value)
                    elif prefix in holders:
                        headers[prefix] = dict(others)
                elif event == "start_array":
                    if prefix in arrays:
                        header, index = headers[prefix.rpartition(".")[0]], 0
                        yield Part(header)
                elif prefix in prefixes:
                    if event != "end_array":
                        yield Part(header, index, value)
                        index += 1
                elif event in ("string", "number", "boolean", "null"):
                    holder, _, name = prefix.rpartition(".")
                    if holder in headers:
                        headers[holder][name] = value
                    elif aside is not None and holder == aside:
                        others.setdefault(aside, {})[name] = value
        except JSON_ERRORS as error:
            raise _broken(entry, error, index) from error
        stream.check(entry)


def scalars(entry: Entry, prefix: str, *, until: str | None = None) -> dict[str, Any]:
    """The scalar members of the object at `prefix` ("" is the root), read without holding its arrays.

    `until`: stop once this member begins. What stands before a truncation is given, without an error.
    """
    found: dict[str, Any] = {}
    start = f"{prefix}." if prefix else ""
    with entry.open() as raw:
        try:
            for path, event, value in ijson.parse(clean_stream(raw), use_float=True):
                if until is not None and path == f"{start}{until}":
                    break
                if event in ("string", "number", "boolean", "null") and path.startswith(start):
                    name = path[len(start) :]
                    if "." not in name and name:
                        found[name] = value
        except JSON_ERRORS:
            pass
    return found


JSON_ERRORS = (ijson.JSONError, UnicodeDecodeError, ValueError, RecursionError)


def _broken(entry: Entry, error: Exception, index: int) -> UnreadableInput:
    text = str(error).split("\n")[0][:120]
    return UnreadableInput(
        f"is damaged or cut short after element {index}: {text}",
        where=entry.display,
        remedy="what stands before is read; export it again for the rest",
    )


class _Clean:
    """Bytes for the JSON reader: without a byte-order mark, from the first of certain bytes on, and without the tail of endless texts.

    The reader holds a text whole and copies it for every block it grows by: one of 64 MiB took a minute. No message is longer than
    MAX_TEXT_BYTES; of one that is, the start is given, and `check` says so at the end.
    """

    def __init__(self, raw: BinaryIO, skip_to: bytes | None) -> None:
        self._raw = raw
        # Bytes since the last quotation mark; True while the tail of a text is passed over.
        self._run = 0
        self._passing = False
        self._escaped = False
        self._cut = 0
        first = raw.read(4096)
        if skip_to is not None:
            at = first.find(skip_to)
            first = first[at:] if at >= 0 else first
        self._first = first.removeprefix(b"\xef\xbb\xbf")

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            # The JSON reader asks for nothing first, to see whether it gets bytes or text.
            return b""
        if self._first:
            first, self._first = self._first, b""
            return self._bounded(first)
        while block := self._raw.read(65_536 if size < 0 else size):
            given = self._bounded(block)
            # Nothing would mean the end.
            if given:
                return given
        return b""

    def _bounded(self, block: bytes) -> bytes:
        if self._passing:
            block = self._after_text(block)
            if self._passing:
                return b""
        last = block.rfind(b'"')
        if last >= 0:
            self._run = len(block) - last - 1
            return block
        self._run += len(block)
        if self._run <= MAX_TEXT_BYTES:
            return block
        # Cut where no character and no escape is in two: behind a letter with none begun before it.
        keep = next(
            (
                at
                for at in range(len(block), 16, -1)
                if block[at - 1 : at].isalnum() and b"\\" not in block[at - 12 : at] and block[at - 12 : at].isascii()
            ),
            None,
        )
        if keep is None:
            # Nowhere in this block: the next may have a place.
            return block
        self._passing, self._escaped, self._run = True, False, 0
        self._cut += 1
        self._escaped = (len(block[keep:]) - len(block[keep:].rstrip(b"\\"))) % 2 == 1
        return block[:keep]

    def _after_text(self, block: bytes) -> bytes:
        """From the quotation mark that ends the text on; an escaped one does not end it."""
        start = 0
        while True:
            at = block.find(b'"', start)
            if at < 0:
                tail = len(block) - len(block.rstrip(b"\\"))
                odd = tail % 2 == 1
                self._escaped = odd if tail < len(block) else odd != self._escaped
                return b""
            before = block[:at]
            slashes = len(before) - len(before.rstrip(b"\\"))
            escaped = slashes % 2 == 1
            if slashes == at:
                # All that stands before it are backslashes: those of the block before count too.
                escaped = escaped != self._escaped
            if not escaped:
                self._passing = False
                return block[at:]
            start = at + 1

    def check(self, entry: Entry) -> None:
        """Raises: UnreadableInput, when a text was cut."""
        if self._cut:
            raise UnreadableInput(
                f"holds {self._cut} texts longer than any message (1 MiB): their start is read, the rest of each left out",
                where=entry.display,
            )


def clean_stream(raw: BinaryIO, skip_to: bytes | None = None) -> _Clean:
    """The stream as JSON readers need it; `check` it at the end."""
    return _Clean(raw, skip_to)
