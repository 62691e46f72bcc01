"""Pictures inside other files: PDF, Office and OpenDocument files and other zips, previews in camera RAW files. Only called in a worker process.

Everything inside is hostile: sizes are looked at before anything is unpacked, and what is inside one file is bounded together. Not opened: files with a
password, the old binary Office formats, Canon's CR3, other archives than zip.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from jaga.errors import HostileInput, UnreadableInput
from jaga.media._decode import MOST_PIXELS, MOST_PIXELS_IN_ALL

__all__ = ["Inside", "embedded"]

# Pictures of one file, wherever in it they are, and members and pages that are looked into.
MOST_INSIDE = 2_000
_MOST_MEMBERS = 20_000
_MOST_PAGES = 5_000
# Zips in one another.
_DEEPEST = 3
# Bytes unpacked of one file in all; a member that is large may be at most so many times its packed size, as for exports (jaga.sources).
_MOST_BYTES = 1 << 30
_RATIO, _RATIO_FROM = 200, 8 << 20
_NAME = 200
_TIFF = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_RAF = b"FUJIFILMCCD-RAW"
# Directories of a TIFF, entries of one, values of an entry that may be offsets.
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_OFFSETS = 64, 4_096, 64


class Inside(NamedTuple):
    """A picture inside a file: as a file of its own, or, where it is none, as decoded. Or what was wrong with one, and the rest goes on."""

    name: str
    raw: bytes = b""
    picture: Image.Image | None = None
    problem: str | None = None


class _Budget:
    def __init__(self) -> None:
        self.bytes = _MOST_BYTES
        self.pictures = MOST_INSIDE
        self.members = _MOST_MEMBERS

    def take(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise HostileInput(f"unpacks to more than {_MOST_BYTES:,} bytes; the rest is left out")

    def picture(self) -> None:
        self.pictures -= 1
        if self.pictures < 0:
            raise HostileInput(f"more than {MOST_INSIDE:,} pictures inside; the rest is left out")

    def member(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise HostileInput(f"more than {_MOST_MEMBERS:,} files inside; the rest is left out")


def embedded(raw: bytes) -> Iterator[Inside]:
    """The pictures inside a file; what is none in truth is among them. A picture may have others behind it (a polyglot).

    Raises: HostileInput, at a limit; UnreadableInput, if the whole of it is locked or damaged (what came before has come already).
    """
    yield from _within(raw, "", 0, _Budget())


def _within(raw: bytes, before: str, depth: int, budget: _Budget) -> Iterator[Inside]:
    if b"%PDF-" in raw[:1024]:
        yield from _pdf(raw, before, budget)
    if raw[:4] in _TIFF or raw.startswith(_RAF):
        yield from _previews(raw, before, budget)
    # Its directory stands at the end, so that anything may stand before it.
    if zipfile.is_zipfile(BytesIO(raw)):
        yield from _zip(raw, before, depth, budget)


# ------------------------------------------------------------ zip


def _zip(raw: bytes, before: str, depth: int, budget: _Budget) -> Iterator[Inside]:
    if depth >= _DEEPEST:
        raise HostileInput(f"archives more than {_DEEPEST} deep in one another; not opened further")
    try:
        archive = zipfile.ZipFile(BytesIO(raw))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise UnreadableInput(f"cannot be unpacked: {error}") from error
    with archive:
        for info in archive.infolist():
            budget.member()
            if info.is_dir():
                continue
            name = before + _plain(info.filename)
            if info.flag_bits & 1:
                yield Inside(name, problem="is locked with a password: what is inside is not known")
                continue
            if info.file_size > _RATIO_FROM and info.file_size > _RATIO * max(1, info.compress_size):
                yield Inside(name, problem="unpacks to far more than a picture could (a zip bomb): not read")
                continue
            budget.take(info.file_size)
            try:
                with archive.open(info) as member:
                    # Never more than it says of itself.
                    content = member.read(info.file_size)
            except (
                zipfile.BadZipFile,
                zlib.error,
                EOFError,
                OSError,
                RuntimeError,
                NotImplementedError,
                ValueError,
            ) as error:
                yield Inside(name, problem=f"cannot be unpacked: {error}")
                continue
            budget.picture()
            yield Inside(name, content)
            try:
                yield from _within(content, f"{name}!", depth + 1, budget)
            except UnreadableInput as error:
                yield Inside(name, problem=error.what)


def _plain(name: str) -> str:
    """A member's name as it may be shown: what a hostile one holds must not move a cursor."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:_NAME])


# ------------------------------------------------------------ PDF


def _pdf(raw: bytes, before: str, budget: _Budget) -> Iterator[Inside]:
    import pypdfium2
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise UnreadableInput(
            "is locked with a password: what is inside is not known" if locked else f"cannot be read as a PDF: {error}"
        ) from error
    # A picture that stands on every page is one.
    seen: set[bytes] = set()
    pixels = 0
    try:
        for number in range(min(len(document), _MOST_PAGES)):
            try:
                page = document[number]
                found = list(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=15))
            except pypdfium2.PdfiumError as error:
                yield Inside(f"{before}page {number + 1}", problem=f"cannot be read as a PDF: {error}")
                continue
            for one in found:
                name = f"{before}image {len(seen) + 1}"
                try:
                    data = bytes(one.get_data())
                    mark = hashlib.blake2b(data).digest()
                    if mark in seen:
                        continue
                    seen.add(mark)
                    budget.picture()
                    width, height = one.get_px_size()
                    pixels += width * height
                    if width * height > MOST_PIXELS or pixels > MOST_PIXELS_IN_ALL:
                        raise HostileInput(f"{width:,} x {height:,} pixels; a picture may have {MOST_PIXELS:,}")
                    if one.get_filters(skip_simple=True) == ["DCTDecode"]:
                        # A JPEG as it was put in.
                        data = bytes(one.get_data(decode_simple=True))
                        budget.take(len(data))
                        yield Inside(name, data)
                    else:
                        yield Inside(name, picture=one.get_bitmap(render=False).to_pil())
                except (pypdfium2.PdfiumError, ValueError, KeyError) as error:
                    yield Inside(name, problem=f"cannot be read as a PDF: {error}")
        if len(document) > _MOST_PAGES:
            raise HostileInput(f"more than {_MOST_PAGES:,} pages; the rest is left out")
    finally:
        document.close()


# ------------------------------------------------------------ camera RAW


def _previews(raw: bytes, before: str, budget: _Budget) -> Iterator[Inside]:
    """The JPEGs that a camera put into its RAW file: a TIFF but for its first bytes (TIFF 6.0; Adobe DNG 1.7), or Fuji's own."""
    found: dict[int, int] = {}
    if raw.startswith(_RAF):
        if len(raw) >= 92:
            offset, length = struct.unpack_from(">II", raw, 84)
            found[offset] = length
    else:
        found = _directories(raw)
    number = 0
    for offset, length in sorted(found.items()):
        content = raw[offset : offset + length]
        # The sensor's own data may be a lossless JPEG (SOF3), which is no picture to look at.
        if content[:3] != b"\xff\xd8\xff" or _lossless(content):
            continue
        number += 1
        budget.picture()
        budget.take(len(content))
        yield Inside(f"{before}preview {number}", content)


def _lossless(content: bytes) -> bool:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker in (0xC3, 0xC7, 0xCB, 0xCF)
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return False


def _directories(raw: bytes) -> dict[int, int]:
    """Offset to length of every JPEG that a directory of the file names."""
    order = "<" if raw[:2] == b"II" else ">"
    found: dict[int, int] = {}
    waiting = list(struct.unpack_from(f"{order}I", raw, 4)) if len(raw) >= 8 else []
    done: set[int] = set()
    while waiting and len(done) < _MOST_DIRECTORIES:
        at = waiting.pop()
        if at in done or at < 8 or at + 2 > len(raw):
            continue
        done.add(at)
        (count,) = struct.unpack_from(f"{order}H", raw, at)
        if count > _MOST_ENTRIES:
            continue
        values: dict[int, list[int]] = {}
        for number in range(count):
            entry = at + 2 + 12 * number
            if entry + 12 > len(raw):
                break
            tag, kind, many = struct.unpack_from(f"{order}HHI", raw, entry)
            if tag == 46:
                # Panasonic: the bytes themselves.
                (offset,) = struct.unpack_from(f"{order}I", raw, entry + 8)
                found[offset] = many
            elif tag == 347:
                values[tag] = []
            elif kind in (3, 4, 13) and many <= _MOST_OFFSETS:
                values[tag] = _values(raw, order, kind, many, entry + 8)
        # JPEGInterchangeFormat and its length; or one strip, compressed as JPEG.
        if values.get(513) and values.get(514):
            found[values[513][0]] = values[514][0]
        # What its tables are kept apart from (347) is none by itself.
        elif (
            347 not in values
            and values.get(259, [0])[0] in (6, 7)
            and len(values.get(273, [])) == 1 == len(values.get(279, []))
        ):
            found[values[273][0]] = values[279][0]
        # SubIFDs, and the next one.
        waiting += values.get(330, [])
        following = at + 2 + 12 * count
        if following + 4 <= len(raw):
            waiting += struct.unpack_from(f"{order}I", raw, following)
    return found


def _values(raw: bytes, order: str, kind: int, many: int, place: int) -> list[int]:
    letter, size = ("H", 2) if kind == 3 else ("I", 4)
    if size * many > 4:
        (place,) = struct.unpack_from(f"{order}I", raw, place)
    if place + size * many > len(raw):
        return []
    return list(struct.unpack_from(f"{order}{many}{letter}", raw, place))
