"""Files to read, wherever they lie: a file, a folder, a zip, a zip in a zip. Everything inside is hostile.

Nothing is ever extracted under its own name: members are read as streams or, where a library needs a file (SQLite),
copied to an unnamed temporary place. Limits:
  - a member larger than 64 MiB may be at most 200 times its packed size (DEFLATE bombs reach 1,032);
  - three zips inside one another;
  - member names with `..`, a root or a drive are refused; symbolic links are not followed out of the folder.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from jaga.errors import HostileInput, UnreadableInput
from jaga.records import AttachmentKind, Problem

__all__ = ["HEAD_BYTES", "Entry", "Tree", "media_kind"]

HEAD_BYTES = 64 * 1024
MAX_RATIO = 200
RATIO_FROM_BYTES = 64 << 20
MAX_DEPTH = 3
MAX_NESTED_BYTES = 8 << 30
MAX_ENTRIES = 2_000_000

_MAGIC: tuple[tuple[bytes, AttachmentKind], ...] = (
    (b"\xff\xd8\xff", "image"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"BM", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"OggS", "audio"),
    (b"ID3", "audio"),
    (b"fLaC", "audio"),
    (b"#!AMR", "audio"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"%PDF-", "document"),
    (b"\xd0\xcf\x11\xe0", "document"),
)
_UNPACK_FIRST = {b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def media_kind(head: bytes) -> AttachmentKind | None:
    """What kind of media the first bytes show, or None. Looks at content, so a picture named .txt is a picture."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            # "BM" begins words too; a bitmap has its reserved zeros.
            if magic == b"BM" and head[6:10] != b"\0\0\0\0":
                continue
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"AVI ": "video", b"WAVE": "audio"}.get(head[8:12])  # type: ignore[return-value]
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"heic", b"heix", b"mif1", b"avif", b"msf1"):
            return "image"
        return "audio" if brand == b"M4A " else "video"
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9"):
        return "audio"
    return None


class Entry:
    """One file of an input.

    `path` is its place inside the input with `/`; `display` names it for people, e.g. `export.zip!inbox/message_1.json`.
    """

    def __init__(self, tree: Tree, path: str, size: int | None) -> None:
        self.tree = tree
        self.path = path
        self.size = size
        self._head: bytes | None = None
        # Text in UTF-16, told by its byte-order mark. Known once the head was read.
        self._wide: bool | None = None
        # Table names to column names, once a database was looked into: every look costs a copy.
        self.tables: dict[str, frozenset[str]] | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        """The path without its last part; empty at the root."""
        return self.path.rsplit("/", 1)[0] if "/" in self.path else ""

    @property
    def display(self) -> str:
        return self.tree.display(self.path)

    @property
    def head(self) -> bytes:
        """The first 64 KiB, read once. Raises: OSError, UnreadableInput."""
        if self._head is None:
            with self.tree._open(self.path) as stream:
                first = stream.read(32)
                # A picture is known by its first bytes; unpacking more of thousands of them is wasted.
                self._head = first if media_kind(first) else first + stream.read(HEAD_BYTES - len(first))
            self._wide = self._head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            if self._wide:
                with self.open() as stream:
                    self._head = stream.read(HEAD_BYTES)
        return self._head

    @property
    def wide(self) -> bool:
        """True for text in UTF-16 (as editors save it), which `open` and `head` give as UTF-8."""
        if self._wide is None:
            _ = self.head
        return bool(self._wide)

    def open(self) -> BinaryIO:
        """A new stream from the start; UTF-16 comes as UTF-8. Raises: OSError, UnreadableInput, HostileInput (also while reading)."""
        raw = self.tree._open(self.path)
        return cast(BinaryIO, io.BufferedReader(_Narrow(raw), 1 << 16)) if self.wide else raw

    @property
    def on_disk(self) -> Path | None:
        """Where a file of its own lies; None for a member of an archive."""
        return self.tree._on_disk(self.path)

    def open_raw(self) -> BinaryIO:
        """A new stream of the bytes as they lie there. Raises as `open`."""
        return self.tree._open(self.path)

    def sibling(self, name: str) -> Entry | None:
        """The entry `name` in the same folder, if there is one."""
        return self.tree.get(f"{self.folder}/{name}" if self.folder else name)

    @contextlib.contextmanager
    def local(self, *beside: str) -> Iterator[Path]:
        """A private copy on disk, with the entries named name+suffix for each of `beside` (SQLite: "-wal", "-shm").

        Always a copy: opening a database may write to it, and evidence is not changed.
        """
        with tempfile.TemporaryDirectory(prefix="jaga-") as folder:
            target = Path(folder) / "file"
            for suffix in ("", *beside):
                entry = self if not suffix else self.sibling(self.name + suffix)
                if entry is None:
                    continue
                with entry.open() as source, open(f"{target}{suffix}", "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            yield target


class _Narrow(io.RawIOBase):
    """A UTF-16 stream as UTF-8, so that no source needs to know: what an editor did to an export must not lose it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._raw.read(1 << 16)
            self._ready = self._decoder.decode(block, final=not block).encode("utf-8", "replace")
            if not block:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class Tree:
    """The files of one input. `problems` says what of it cannot be read."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.entries: dict[str, Entry] = {}
        self.problems: list[Problem] = []
        self._named: dict[str, list[Entry]] | None = None
        self._counted = 0

    def display(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def get(self, path: str) -> Entry | None:
        return self.entries.get(path)

    def named(self, name: str) -> list[Entry]:
        """Every entry with this file name (case-insensitive), in path order."""
        # Asked once for each of thousands of channels: sorted once, and again when a zip inside was taken out.
        if self._named is None or self._counted != len(self.entries):
            self._named, self._counted = {}, len(self.entries)
            for path, entry in sorted(self.entries.items()):
                self._named.setdefault(path.lower().rsplit("/", 1)[-1], []).append(entry)
        return self._named.get(name.lower(), [])

    def _open(self, path: str) -> BinaryIO:
        raise NotImplementedError

    def _on_disk(self, path: str) -> Path | None:
        return None

    def _problem(self, path: str, what: str, *, note: bool = False) -> None:
        self.problems.append(Problem(where=self.display(path), what=what, fatal=not note, skipped=0, note=note))

    def close(self) -> None:
        """Let go of files; entries cannot be opened after it."""

    @staticmethod
    def of(path: Path) -> list[Tree]:
        """The trees of one path given by the user: one for a file or folder, and one for each zip inside.

        Raises: UnreadableInput, if there is nothing there or it cannot be opened.
        """
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise _unreadable(path, error) from error
        first: Tree
        if stat.S_ISDIR(mode):
            first = _Folder(path)
        elif stat.S_ISREG(mode):
            first = _open_file(path)
        else:
            raise UnreadableInput("is not a file or folder", where=str(path), remedy="give the export itself")
        trees = [first]
        for depth in range(1, MAX_DEPTH + 1):
            inner = [nested for tree in trees if tree_depth(tree) == depth - 1 for nested in _nested(tree, depth)]
            if not inner:
                break
            trees += inner
        return trees


def tree_depth(tree: Tree) -> int:
    return getattr(tree, "depth", 0)


def _unreadable(path: Path | str, error: OSError) -> UnreadableInput:
    if isinstance(error, FileNotFoundError):
        return UnreadableInput("there is no such file or folder", where=str(path), remedy="check the name")
    if isinstance(error, PermissionError):
        return UnreadableInput(
            "may not be read", where=str(path), remedy="allow reading it, or copy it to your own folder"
        )
    return UnreadableInput(error.strerror or str(error), where=str(path))


class _File(Tree):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self.entries[path.name] = Entry(self, path.name, path.stat().st_size)
        # Companions of a database given by itself (`chat.db-wal`) are part of it.
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            if beside.is_file():
                self.entries[beside.name] = Entry(self, beside.name, beside.stat().st_size)

    def display(self, path: str) -> str:
        return self.root if path in ("", self._path.name) else str(self._path.with_name(path))

    def _open(self, path: str) -> BinaryIO:
        return open(self._path.with_name(path), "rb")

    def _on_disk(self, path: str) -> Path:
        return self._path.with_name(path)


class _Folder(Tree):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        real = os.path.realpath(path)
        for folder, folders, files in os.walk(path, onerror=self._walk_error):
            folders.sort()
            for name in sorted(files):
                full = os.path.join(folder, name)
                inside = os.path.relpath(full, path).replace(os.sep, "/")
                try:
                    status = os.lstat(full)
                    if stat.S_ISLNK(status.st_mode):
                        target = os.path.realpath(full)
                        if os.path.commonpath([real, target]) != real or not os.path.isfile(target):
                            self._problem(inside, "is a link that leads out of the folder: not followed")
                            continue
                        # The file it points to is read under its own name.
                        continue
                    if not stat.S_ISREG(status.st_mode):
                        self._problem(inside, "is not an ordinary file: left alone", note=True)
                        continue
                except (OSError, ValueError) as error:
                    self._problem(inside, f"cannot be looked at: {error}")
                    continue
                self.entries[inside] = Entry(self, inside, status.st_size)
            if len(self.entries) > MAX_ENTRIES:
                self._problem("", f"holds more than {MAX_ENTRIES:,} files: give a smaller folder")
                break
            for name in list(folders):
                if os.path.islink(os.path.join(folder, name)):
                    folders.remove(name)
                    inside = os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/")
                    self._problem(inside, "is a link to a folder: not followed", note=True)

    def _walk_error(self, error: OSError) -> None:
        self._problem(os.path.relpath(error.filename, self._path), f"cannot be listed: {error.strerror}")

    def _open(self, path: str) -> BinaryIO:
        return open(self._path / path, "rb")

    def _on_disk(self, path: str) -> Path:
        return self._path / path


class _Zip(Tree):
    def __init__(self, name: str, file: BinaryIO, depth: int) -> None:
        super().__init__(name)
        self.depth = depth
        self._file = file
        self._zip: zipfile.ZipFile | None = None
        self._salvaged: dict[str, tuple[int, int, int, int]] = {}
        try:
            self._zip = zipfile.ZipFile(file)
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            OSError,
            ValueError,
            NotImplementedError,
            struct.error,
        ) as error:
            self._salvage(error)
        else:
            for info in self._zip.infolist():
                self._add(info)

    def display(self, path: str) -> str:
        return f"{self.root}!{path}" if path else self.root

    def _add(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        if info.is_dir():
            return
        if not self._safe_name(name):
            self._problem(name, "its name leads out of the archive: not read")
            return
        if stat.S_ISLNK(info.external_attr >> 16):
            self._problem(name, "is a link: not followed")
            return
        if info.flag_bits & 1:
            self._problem(name, "is locked with a password: unpack the archive first and give the folder")
            return
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
            self._problem(name, "unpacks to far more than a chat could (a zip bomb): not read")
            return
        if name in self.entries:
            self._problem(name, "is in the archive twice: the first one is read", note=True)
            return
        if len(self.entries) >= MAX_ENTRIES:
            return
        self.entries[name] = Entry(self, name, info.file_size)

    @staticmethod
    def _safe_name(name: str) -> bool:
        parts = PurePosixPath(name.replace("\\", "/"))
        return not (parts.is_absolute() or ".." in parts.parts or name[1:2] == ":" or "\0" in name)

    def _salvage(self, error: Exception) -> None:
        """The directory at a zip's end is missing or broken: read the members from the front as far as they go."""
        self._problem(
            "", f"the archive is damaged or cut short ({error}): what can be read is read; export it again for the rest"
        )
        size = self._file.seek(0, io.SEEK_END)
        position = 0
        while position + 30 <= size and len(self.entries) < 100_000:
            self._file.seek(position)
            header = self._file.read(30)
            if header[:4] != b"PK\x03\x04":
                break
            flags, method = struct.unpack_from("<HH", header, 6)
            packed, _unpacked, name_length, extra_length = struct.unpack_from("<IIHH", header, 18)
            raw = self._file.read(name_length)
            name = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")
            start = position + 30 + name_length + extra_length
            if flags & 8 or packed == 0xFFFFFFFF:
                # Sizes stand behind the data: find the end by unpacking.
                packed = self._packed_length(start, method)
            if not name.endswith("/") and self._safe_name(name) and method in (0, 8) and not flags & 1:
                self._salvaged[name] = (start, min(packed, size - start), method, size)
                self.entries[name] = Entry(self, name, None)
            position = start + packed
            self._file.seek(position)
            if self._file.read(4) == b"PK\x07\x08":
                position += 16

    def _packed_length(self, start: int, method: int) -> int:
        if method != 8:
            return 1 << 62
        self._file.seek(start)
        inflate = zlib.decompressobj(-15)
        read = 0
        try:
            while chunk := self._file.read(1 << 16):
                read += len(chunk)
                pending = chunk
                while pending:
                    inflate.decompress(pending, 1 << 20)
                    if inflate.eof:
                        return read - len(inflate.unused_data)
                    pending = inflate.unconsumed_tail
        except zlib.error:
            pass
        return read

    def _open(self, path: str) -> BinaryIO:
        if self._zip is None:
            start, packed, method, _ = self._salvaged[path]
            raw = _Salvaged(self._file, start, packed, method, self.display(path))
            return cast(BinaryIO, io.BufferedReader(raw, 1 << 16))
        try:
            member = self._zip.open(path)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, OSError, KeyError) as error:
            raise UnreadableInput(
                f"cannot be unpacked: {error}", where=self.display(path), remedy="export it again"
            ) from error
        return cast(BinaryIO, io.BufferedReader(_Member(member, self.display(path)), 1 << 16))

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()
        self._file.close()


class _Member(io.RawIOBase):
    """A zip member that turns the library's errors into ours."""

    def __init__(self, member: IO[bytes], where: str) -> None:
        self._member = member
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._member.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise UnreadableInput(
                f"is damaged or cut short: {error}", where=self._where, remedy="export it again"
            ) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._member.close()
        super().close()


class _Salvaged(io.RawIOBase):
    """A member of a zip without its directory, unpacked as far as it goes."""

    def __init__(self, file: BinaryIO, start: int, packed: int, method: int, where: str) -> None:
        self._file = file
        self._position = start
        self._left = packed
        self._inflate = zlib.decompressobj(-15) if method == 8 else None
        self._packed_read = 0
        self._given = 0
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data:
            raw = self._inflate.unconsumed_tail if self._inflate is not None else b""
            if not raw:
                self._file.seek(self._position)
                raw = self._file.read(min(1 << 14, self._left))
                self._position += len(raw)
                self._left -= len(raw)
                self._packed_read += len(raw)
            if self._inflate is None:
                data = raw[: len(buffer)]
                self._position -= len(raw) - len(data)
                self._left += len(raw) - len(data)
                break
            if not raw or self._inflate.eof:
                break
            try:
                data = self._inflate.decompress(raw, len(buffer))
            except zlib.error:
                break
        self._given += len(data)
        if self._given > RATIO_FROM_BYTES and self._given > MAX_RATIO * max(1, self._packed_read):
            raise HostileInput("unpacks to far more than a chat could (a zip bomb)", where=self._where)
        buffer[: len(data)] = data
        return len(data)


def _open_file(path: Path) -> Tree:
    try:
        file = open(path, "rb")
        head = file.read(8)
    except OSError as error:
        raise _unreadable(path, error) from error
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        file.seek(0)
        return _Zip(str(path), file, 0)
    file.close()
    tree = _File(path)
    for magic, kind in _UNPACK_FIRST.items():
        if head.startswith(magic):
            tree.entries.clear()
            tree._problem("", f"is a {kind} archive: unpack it first and give the folder")
    return tree


def _nested(tree: Tree, depth: int) -> Iterator[Tree]:
    for path in [path for path in tree.entries if path.lower().endswith(".zip") or "." not in path.rsplit("/", 1)[-1]]:
        entry = tree.entries[path]
        if isinstance(tree, _File):
            continue
        try:
            if entry.head[:4] != b"PK\x03\x04":
                continue
            del tree.entries[path]
            if depth >= MAX_DEPTH:
                tree._problem(path, f"is an archive more than {MAX_DEPTH} deep: unpack it yourself if you trust it")
                continue
            if isinstance(tree, _Folder):
                yield _Zip(entry.display, entry.open(), depth)
                continue
            copy = tempfile.TemporaryFile(prefix="jaga-")
            with entry.open() as source:
                total = 0
                while chunk := source.read(1 << 20):
                    total += len(chunk)
                    if total > MAX_NESTED_BYTES:
                        raise HostileInput("the archive inside is too large", where=entry.display)
                    copy.write(chunk)
            copy.seek(0)
            yield _Zip(entry.display, cast(BinaryIO, copy), depth)
        except (OSError, UnreadableInput, HostileInput) as error:
            tree._problem(path, f"the archive inside cannot be read: {error}")
