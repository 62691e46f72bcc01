"""Takes in what a browser sends, as it arrives: every file goes encrypted to where it waits (store._waiting), none is ever spooled in the clear.

A form is read from front to back. Its first field is the token that proves it came from our page, so that nothing is kept before that is
known. Files of one dropped folder (their names hold a `/`) become one zip, for their places tell the sources what they are.
"""

from __future__ import annotations

import contextlib
import hmac
import shutil
import zipfile
from typing import IO

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from jaga.errors import HostileInput, UnreadableInput
from jaga.store import Store
from jaga.store._waiting import WaitingFile, waiting_folder

__all__ = ["LARGEST", "Received", "Upload"]

# A phone's whole backup fits; a disk is not filled by mistake.
LARGEST = 4 << 30
LARGEST_TOGETHER = 8 << 30
MOST_FILES = 50_000
# Kept free for the store itself and its journal.
ROOM = 256 << 20
_LOOK_EVERY = 32 << 20
_FIELD = 4096
_NAME = 1024
_FOLDERS = 20


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One thing brought in, whole and on the disk."""

    path: str
    # As the browser named it; of a folder, the folder's name with `.zip`.
    name: str
    size_bytes: int


class Upload:
    """One form being received: `feed` its bytes, then `finish`. Leave it by `abandon` if anything goes wrong.

    Raises: HostileInput, where a limit is reached or the form is not ours; UnreadableInput, where it is broken; StoreError, if the
    disk is full.
    """

    def __init__(self, store: Store, content_type: str, csrf: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise UnreadableInput("this is not a form with files")
        self.fields: dict[str, str] = {}
        self._store = store
        self._csrf = csrf
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._whole,
            },
        )
        self._ended = False
        self._total = self._looked = self._files = 0
        self._done: list[Received] = []
        # Folder name to its zip that is being written.
        self._zips: dict[str, tuple[WaitingFile, zipfile.ZipFile]] = {}
        self._field = self._value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._name = ""
        self._text: bytearray | None = None
        self._single: WaitingFile | None = None
        self._member: IO[bytes] | None = None
        self._size = 0

    # ------------------------------------------------------------ from outside

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise UnreadableInput("what the browser sent is broken", remedy="try again") from error

    def finish(self) -> list[Received]:
        """Everything that was received. Raises also: UnreadableInput, if it was cut off."""
        if not self._ended:
            raise UnreadableInput("what the browser sent was cut off", remedy="try again")
        for name, (file, archive) in self._zips.items():
            archive.close()
            self._done.append(Received(path=str(file.finish()), name=f"{name}.zip", size_bytes=file.size_bytes))
        self._zips.clear()
        done, self._done = self._done, []
        return done

    def abandon(self) -> None:
        """Remove all that was taken in so far."""
        if self._single is not None:
            self._single.abandon()
        for file, archive in self._zips.values():
            # Its end cannot be written any more, and need not be.
            with contextlib.suppress(Exception):
                if self._member is not None:
                    self._member.close()
                archive.close()
            file.abandon()
        for one in self._done:
            (waiting_folder(self._store) / one.path.rsplit("/", 1)[-1]).unlink(missing_ok=True)

    # ------------------------------------------------------------ called by the parser

    def _begin(self) -> None:
        self._disposition = {}
        self._text = None
        self._size = 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = parse_options_header(self._value)[1]
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        self._name = self._disposition.get(b"name", b"").decode("utf-8", "replace")
        named = self._disposition.get(b"filename")
        if named is None:
            self._text = bytearray()
            return
        if not hmac.compare_digest(self.fields.get("csrf", "").encode(), self._csrf.encode()) or not self._csrf:
            raise HostileInput("This form did not come from Jaga's own page.")
        name = named.decode("utf-8", "replace")[:_NAME].replace("\\", "/")
        if not name:
            # Nothing was chosen in this field.
            return
        self._files += 1
        if self._files > MOST_FILES:
            raise HostileInput(f"more than {MOST_FILES} files at once", remedy="zip the folder and bring in the zip")
        self._open(name)

    def _open(self, name: str) -> None:
        parts = [part for part in name.split("/") if part not in ("", ".", "..")] or ["export"]
        if len(parts) == 1:
            self._name = parts[0]
            self._single = WaitingFile(self._store)
            return
        folder = parts[0]
        if folder not in self._zips:
            if len(self._zips) >= _FOLDERS:
                raise HostileInput("too many folders at once", remedy="zip them and bring in the zip")
            file = WaitingFile(self._store)
            self._zips[folder] = (file, zipfile.ZipFile(file, "w"))
        archive = self._zips[folder][1]
        self._member = archive.open(zipfile.ZipInfo("/".join(parts[1:])), "w", force_zip64=True)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._text is not None:
            self._text += data[start:end]
            if len(self._text) > _FIELD:
                raise HostileInput("a field of the form is too long")
            return
        into = self._single if self._single is not None else self._member
        if into is None:
            return
        self._size += end - start
        self._total += end - start
        if self._size > LARGEST or self._total > LARGEST_TOGETHER:
            raise HostileInput(
                f"larger than {LARGEST >> 30} GiB, or {LARGEST_TOGETHER >> 30} GiB together",
                remedy="export without media, or point Jaga at the folder",
            )
        if self._total - self._looked >= _LOOK_EVERY or self._looked == 0:
            self._looked = max(self._total, 1)
            if shutil.disk_usage(self._store.folder).free < ROOM:
                raise HostileInput("the disk is nearly full", remedy="free some space; nothing was lost")
        into.write(data[start:end])

    def _end(self) -> None:
        if self._text is not None:
            self.fields[self._name] = self._text.decode("utf-8", "replace")
            self._text = None
        elif self._single is not None:
            file, self._single = self._single, None
            if file.size_bytes == 0:
                file.abandon()
                return
            self._done.append(Received(path=str(file.finish()), name=self._name, size_bytes=file.size_bytes))
        elif self._member is not None:
            self._member.close()
            self._member = None

    def _whole(self) -> None:
        self._ended = True
