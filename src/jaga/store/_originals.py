"""The files that were read, as evidence needs them: hashes and sizes of what lay there, taken while reading."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import UnreadableInput
from jaga.sources import Unit
from jaga.store import _tables as t

__all__ = ["Original", "Originals", "originals_of"]

_CHUNK = 1 << 20


class Original:
    """One file as it lay on the disk; an archive is one file."""

    __slots__ = ("modified_ns", "path", "sha256", "size_bytes")

    def __init__(self, path: Path) -> None:
        """Raises: OSError."""
        hasher = sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
            found = os.fstat(file.fileno())
        self.path = path
        self.sha256 = hasher.digest()
        self.size_bytes = found.st_size
        self.modified_ns = found.st_mtime_ns


class Originals:
    """The files of one import. `kept`: whether they stay where they are (what was uploaded does not)."""

    def __init__(self, roots: Sequence[Path], files: Sequence[Original], *, kept: bool) -> None:
        self.roots = roots
        self.files = {os.fspath(one.path): one for one in files}
        self.kept = kept

    def check(self) -> None:
        """Raises: UnreadableInput, if a file was changed while it was read: then its hash says nothing of what was read."""
        for path, one in self.files.items():
            try:
                found = os.stat(path)
            except OSError as error:
                raise UnreadableInput(f"went away while it was read: {error.strerror}", where=path) from error
            if (found.st_size, found.st_mtime_ns) != (one.size_bytes, one.modified_ns):
                raise UnreadableInput(
                    "was changed while it was read; nothing was taken in", where=path, remedy="bring it in again"
                )

    def save(
        self, session: orm.Session, child: int, import_id: int, title: str, now: datetime, units: Sequence[Unit]
    ) -> list[int | None]:
        """Note every file once; for each unit the row of the file it was read from."""
        rows: dict[str, int] = {}
        for path, one in self.files.items():
            name = self._name(Path(path), title)
            row = session.scalar(
                sa.select(t.Original).where(
                    t.Original.child == child, t.Original.sha256 == one.sha256, t.Original.name == name
                )
            )
            if row is None:
                row = t.Original(
                    child=child,
                    imported=import_id,
                    name=name,
                    kept_where=path.encode("utf-8", "replace").decode() if self.kept else None,
                    sha256=one.sha256,
                    size_bytes=one.size_bytes,
                    at=now,
                )
                session.add(row)
                session.flush()
            rows[path] = row.id
        return [self._row(unit, rows) for unit in units]

    def _row(self, unit: Unit, rows: dict[str, int]) -> int | None:
        # "export.zip!inbox/message_1.json (+2)": what stands on the disk is what comes before the first "!".
        where = unit.where
        found = rows.get(where) or rows.get(unit.path)
        while found is None and where:
            cut = max(where.rfind("!"), where.rfind(" (+"))
            if cut < 0:
                return None
            where = where[:cut]
            found = rows.get(where)
        return found

    def _name(self, path: Path, title: str) -> str:
        for root in self.roots:
            if path == root:
                return title if not self.kept and len(self.roots) == 1 else root.name
            if path.is_relative_to(root):
                return f"{root.name}/{path.relative_to(root).as_posix()}".encode("utf-8", "replace").decode()
        return path.name


def originals_of(paths: Sequence[Path], *, kept: bool) -> Originals:
    """Hash every file below the paths. What cannot be opened is left out: the sources say so."""
    found: list[Original] = []
    for path in _files(paths):
        try:
            found.append(Original(path))
        except OSError:
            continue
    return Originals(paths, found, kept=kept)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    seen: set[str] = set()
    for path in paths:
        if path.is_dir():
            real = os.path.realpath(path)
            for folder, folders, names in os.walk(path):
                folders.sort()
                for name in sorted(names):
                    one = Path(folder, name)
                    # As the sources do: links that lead out of the folder are not followed.
                    if one.is_file() and os.path.realpath(one).startswith(real + os.sep):
                        seen.add(os.fspath(one))
        elif path.is_file():
            seen.add(os.fspath(path))
    return map(Path, sorted(seen))
