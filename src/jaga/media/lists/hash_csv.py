"""Plain lists: CSV with a column for each kind of hash (also NSRL's RDS 2), or one hash a line.

Columns are told by their heads: md5, sha1 (SHA-1), sha256, blake3, pdq; category, severity, name (id, file name), note. Or long, as hotlines give
theirs out: one hash a line, with a column that says its kind (`hash`, `hash type`, and IWF's categories A, B and C under `category`). IWF's own
file is for its members and was not seen.
Without a head each line's first cell is a hash, bare or as KIND:HEX. 64 digits may be SHA-256 or PDQ: say which.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from jaga.errors import UnreadableInput
from jaga.media._hash_types import all_hash_types
from jaga.media.banks import Item
from jaga.media.lists._base import kind_named, parse_all
from jaga.records import Problem

__all__ = ["HashCsv", "write_csv"]

_FIELDS = {
    "category": "category",
    "severity": "severity",
    "name": "name",
    "id": "name",
    "filename": "name",
    "mediaid": "name",
    "note": "note",
    "comments": "note",
    "iwfcategory": "category",
    "reference": "name",
}
_LONGEST_LINE = 65_536


class HashCsv:
    """CSV or a plain list, UTF-8; separated by commas, semicolons or tabs."""

    name = "csv"

    def recognises(self, head: bytes) -> bool:
        """Text whose first line has a kind of hash for a head, or begins with hex digits."""
        if b"\0" in head:
            return False
        line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        cells = _cells(line)
        bare = [one.name for one in all_hash_types().values() if _hash_of(cells[0], one.name) is not None]
        return bool(bare) or any(kind_named(cell) for cell in cells) or _long(cells) is not None

    def read(self, path: Path, *, kind: str | None = None) -> Iterator[Item | Problem]:
        """Yield items in file order. `kind` is what bare hashes of 64 digits are."""
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            first = _line(file)
            while first is not None and not first.strip():
                first = _line(file)
            if first is None:
                raise UnreadableInput("is empty", where=str(path))
            separator = _separator(first)
            head = [cell.strip() for cell in next(csv.reader([first], delimiter=separator))]
            kinds = {place: one for place, cell in enumerate(head) if (one := kind_named(cell))}
            long = _long(head)
            if not kinds and long is None:
                file.seek(0)
                yield from _bare(file, path, separator, kind)
                return
            plain = ("".join(letter for letter in cell.lower() if letter.isalnum()) for cell in head)
            fields = {place: _FIELDS[cell] for place, cell in enumerate(plain) if cell in _FIELDS}
            reader = csv.reader(iter(lambda: _line(file), None), delimiter=separator)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Problem(where=f"{path}, line {reader.line_num + 1}", what=f"not CSV: {error}")
                    continue
                if any(cell.strip() for cell in row):
                    where = f"{path}, line {reader.line_num + 1}"
                    told = kinds if long is None else _kind_of(row, *long)
                    if told is None:
                        yield Problem(where=where, what="is of no kind that is installed")
                    else:
                        yield from _row(row, told, fields, where)


def _long(head: Sequence[str]) -> tuple[int, int] | None:
    """Columns of the kind and of the hash, if a list has one hash a line and says of which kind."""
    plain = ["".join(letter for letter in cell.lower() if letter.isalnum()) for cell in head]
    kind = next((place for place, cell in enumerate(plain) if cell in ("hashtype", "type", "algorithm", "kind")), None)
    value = next((place for place, cell in enumerate(plain) if cell in ("hash", "hashvalue", "value")), None)
    return None if kind is None or value is None else (kind, value)


def _kind_of(row: Sequence[str], kind: int, value: int) -> dict[int, str] | None:
    known = kind_named(row[kind]) if kind < len(row) else None
    return None if known is None else {value: known}


def _row(row: Sequence[str], kinds: dict[int, str], fields: dict[int, str], where: str) -> Iterator[Item | Problem]:
    texts = [(kind, row[place]) for place, kind in kinds.items() if place < len(row) and row[place].strip()]
    values, problems = parse_all(texts, where)
    if not values:
        yield Problem(where=where, what="; ".join(one.what for one in problems) or "has no hash")
        return
    yield from problems
    found = {
        name: row[place].strip()[:2000] for place, name in fields.items() if place < len(row) and row[place].strip()
    }
    severity: int | None = None
    if "severity" in found:
        text = found.pop("severity")
        if text.isascii() and text.isdigit() and int(text) <= 10:
            severity = int(text)
        else:
            yield Problem(where=where, what=f"severity {text!r} is not 0 to 10: left out", skipped=0)
    yield Item(hashes=values, severity=severity, source=where, **found)  # type: ignore[arg-type]


def _bare(file: TextIO, path: Path, separator: str, kind: str | None) -> Iterator[Item | Problem]:
    number = 0
    while (line := _line(file)) is not None:
        number += 1
        cell = line.split(separator, 1)[0].strip().strip('"')
        if not cell or cell.startswith("#"):
            continue
        where = f"{path}, line {number}"
        told = _hash_of(cell, kind)
        if told is None:
            digits = "64 digits may be sha256 or pdq: say which kind" if len(cell) == 64 else "no hash that Jaga knows"
            yield Problem(where=where, what=f"{cell[:80]!r}: {digits}")
            continue
        values, problems = parse_all([told], where)
        yield from (Problem(where=one.where, what=one.what) for one in problems)
        if values:
            yield Item(hashes=values, source=where)


def _hash_of(cell: str, kind: str | None) -> tuple[str, str] | None:
    """(kind, digits) of a bare hash or KIND:HEX; None if it is neither, or could be several kinds."""
    name, colon, digits = cell.strip().strip('"').partition(":")
    if colon:
        known = kind_named(name)
        return None if known is None else (known, digits)
    if not name or any(letter not in "0123456789abcdefABCDEF" for letter in name):
        return None
    fitting = [one.name for one in all_hash_types().values() if one.bits == 4 * len(name)]
    if kind in fitting:
        return str(kind), name
    return (fitting[0], name) if len(fitting) == 1 else None


def _line(file: TextIO) -> str | None:
    """The next line, at most so long; the rest of a longer one is passed over, so that memory stays bounded."""
    line = file.readline(_LONGEST_LINE)
    if not line:
        return None
    rest = line
    while len(rest) == _LONGEST_LINE and not rest.endswith("\n"):
        rest = file.readline(_LONGEST_LINE)
    return line


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(_separator(line))]


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def write_csv(items: Iterable[Item], out: TextIO) -> int:
    """Write items, a column for each kind; returns how many. A second hash of a kind gets a line of its own. Raises: OSError."""
    kinds = sorted(all_hash_types())
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*kinds, "category", "severity", "name", "note"])
    number = 0
    for number, item in enumerate(items, 1):  # noqa: B007 - counted for the answer
        left = list(item.hashes)
        while left:
            line: dict[str, str] = {}
            for pair in list(left):
                if pair[0] not in line:
                    line[pair[0]] = pair[1].hex()
                    left.remove(pair)
            facts = (item.category, item.severity, item.name, item.note)
            writer.writerow(
                [*(line.get(kind, "") for kind in kinds), *("" if fact is None else _safe(str(fact)) for fact in facts)]
            )
    return number


def _safe(text: str) -> str:
    # A cell that begins so is a formula to a spreadsheet, and names of items come from outside.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
