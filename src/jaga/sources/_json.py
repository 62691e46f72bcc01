"""JSON from hostile files: elements of an array one by one, so memory does not grow with the file,
and everything before a truncation is still read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import ijson
import msgspec

from jaga.errors import UnreadableInput
from jaga.sources._lines import decode_head
from jaga.sources._tree import Entry

__all__ = ["JSON_ERRORS", "MAX_DOCUMENT_BYTES", "clean_stream", "elements", "load", "opens", "scalars", "top_keys"]

# A document that a source loads whole (an account file, a channel description) is small.
MAX_DOCUMENT_BYTES = 64 << 20


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


def elements(entry: Entry, prefix: str, *, skip_to: bytes | None = None) -> Iterator[tuple[int, Any]]:
    """Yield (index from 0, element) of the array(s) at `prefix` in ijson's notation, e.g. `messages.item`.

    Numbers are int or float. `skip_to`: begin at the first such byte (X archives put JavaScript before the array).
    Elements before a truncation are yielded, then it raises: UnreadableInput naming how many were read.
    """
    index = 0
    with entry.open() as raw:
        try:
            for element in ijson.items(clean_stream(raw, skip_to), prefix, use_float=True):
                yield index, element
                index += 1
        except JSON_ERRORS as error:
            raise _broken(entry, error, index) from error


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
    """Bytes for the JSON reader: without a byte-order mark, and from the first of certain bytes on."""

    def __init__(self, raw: BinaryIO, skip_to: bytes | None) -> None:
        self._raw = raw
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
            return first
        return self._raw.read(65_536 if size < 0 else size)


def clean_stream(raw: BinaryIO, skip_to: bytes | None = None) -> BinaryIO:
    """The stream as JSON readers need it."""
    return cast(BinaryIO, _Clean(raw, skip_to))
