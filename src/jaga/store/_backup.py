"""Backups: one file that holds the keys and every row, locked with the store's key; and putting one back.

Layout, version 1 (numbers little-endian): `JAGABACKUP`, the version, a line end; a header (JSON) and the content of keys.json, each after its length in
four bytes; then frames, each after its length: ChaCha20-Poly1305 (RFC 8439) over MessagePack, under a key made from the store's by
HKDF-SHA-256 with the header's salt. A frame's nonce is its number; header and keys are authenticated with every frame, and the last
frame says that it is the last: what was cut short, exchanged or changed does not open. Rows are as the database holds them, so that what
was saved from one database can be put into the other.
"""

from __future__ import annotations

import contextlib
import secrets
import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import orm

from jaga import __version__
from jaga.errors import StoreError, UsageError
from jaga.files import whole_file
from jaga.store import _tables as t
from jaga.store._audit import FIRST, audit, broken_lines
from jaga.store._database import DATA, Store, make_engine, take
from jaga.store._errors import translated
from jaga.store._hearing import in_parts
from jaga.store._keys import Keys
from jaga.store._upgrade import HEAD, revision_of, upgrade

__all__ = ["backup", "backup_before_upgrade", "restore"]

_MAGIC = b"JAGABACKUP\x01\n"
_LENGTH = struct.Struct("<I")
# Rows of a frame: a few hundred kilobytes.
_ROWS = 1_000
_LONGEST = 1 << 30


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    made_at: datetime
    jaga: str
    # Schema of the rows.
    revision: str
    salt: bytes
    # The newest audit line's hash: what was put back ends where this says.
    audit: bytes


class _Frame(msgspec.Struct, array_like=True):
    table: str
    columns: list[str]
    rows: list[list[Any]]


_frame = msgspec.msgpack.Decoder(_Frame)


def backup(store: Store, path: Path, *, by: int | None, now: datetime) -> t.Backup:
    """Write everything, as it is at one moment, to a new file; noted in the audit. Others go on reading and writing.

    The file opens with any passphrase or recovery code that opens the store now. Raises: UsageError if there is such a file already;
    StoreError.
    """
    size, digest = _write(store, path, now)
    with store.session() as session:
        made = t.Backup(path=str(path.absolute()), at=now, size_bytes=size, sha256=digest, by=by)
        session.add(made)
        session.flush()
        audit(session, "backup.made", at=now, person=by, subject=f"backup:{made.id}", sha256=digest.hex())
    return made


def backup_before_upgrade(store: Store, revision: str) -> Path:
    """Into the store's folder, before its schema is changed from `revision`."""
    now = datetime.now(timezone.utc)
    path = store.folder / f"before-upgrade-{revision}-{now:%Y%m%dT%H%M%S}.jagabackup"
    _write(store, path, now)
    return path


def _write(store: Store, path: Path, now: datetime) -> tuple[int, bytes]:
    if path.exists():
        raise UsageError("there is such a file already", remedy=f"choose another name than {path.name}")
    try:
        with whole_file(path) as file:
            with translated(store.folder), orm.Session(store.engine) as session, session.begin():
                options: dict[str, Any] = {"read_only": True}
                if store.engine.dialect.name == "postgresql":
                    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                connection = session.connection(execution_options=options)
                _dump(connection, store, file, now)
            file.flush()
            size = file.tell()
            # What cannot be read back is no backup.
            digest = _check(Path(file.name), store.key)
    except OSError as error:
        raise StoreError(
            f"the backup cannot be written: {error.strerror}", where=str(path), remedy="choose a disk with room"
        ) from error
    return size, digest


def _dump(connection: sa.Connection, store: Store, file: BinaryIO, now: datetime) -> None:
    newest = connection.scalar(sa.text("SELECT hash FROM audit ORDER BY id DESC LIMIT 1"))
    header = msgspec.json.encode(
        _Header(
            made_at=now,
            jaga=__version__,
            revision=str(connection.scalar(sa.text("SELECT version_num FROM alembic_version"))),
            salt=secrets.token_bytes(32),
            audit=FIRST if newest is None else bytes(newest),
        )
    )
    keys = store.keys.encoded()
    file.write(_MAGIC)
    for part in (header, keys):
        file.write(_LENGTH.pack(len(part)) + part)
    frames = _Sealing(store.key, header, keys)
    for table in _tables(connection):
        columns = [str(column.name) for column in table.columns]
        names = ", ".join(_quoted(connection, name) for name in columns)
        found = connection.execution_options(yield_per=_ROWS).exec_driver_sql(
            f"SELECT {names} FROM {_quoted(connection, table.name)}"  # noqa: S608 (names of our own tables)
        )
        # A full disk ends this early, and the server must know that no more rows are asked for.
        with contextlib.closing(found):
            for rows in found.partitions(_ROWS):
                frame = _Frame(str(table.name), columns, [list(row) for row in rows])
                frames.write(file, msgspec.msgpack.encode(frame))
    frames.write(file, b"", last=True)


def _tables(connection: sa.Connection) -> list[sa.Table]:
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


class _Sealing:
    """Locks and opens frames, in their order."""

    def __init__(self, key: bytes, header: bytes, keys: bytes) -> None:
        salt = msgspec.json.decode(header, type=_Header).salt
        derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"jaga backup").derive(key)
        self._cipher = ChaCha20Poly1305(derived)
        self._bound = sha256(header).digest() + sha256(keys).digest()
        self._number = 0

    def _next(self) -> bytes:
        self._number += 1
        return self._number.to_bytes(12, "little")

    def write(self, file: BinaryIO, raw: bytes, *, last: bool = False) -> None:
        sealed = self._cipher.encrypt(self._next(), raw, self._bound + (b"last" if last else b"more"))
        file.write(_LENGTH.pack(len(sealed)) + sealed)

    def read(self, file: BinaryIO) -> Iterator[_Frame]:
        """Raises: InvalidTag, msgspec.DecodeError, EOFError."""
        while True:
            sealed = _piece(file)
            nonce = self._next()
            try:
                raw = self._cipher.decrypt(nonce, sealed, self._bound + b"more")
            except InvalidTag:
                self._cipher.decrypt(nonce, sealed, self._bound + b"last")
                if file.read(1):
                    raise EOFError("something stands behind the end") from None
                return
            yield _frame.decode(raw)


def _piece(file: BinaryIO) -> bytes:
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError("cut short")
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise EOFError("a part of it is longer than any can be")
    raw = file.read(length)
    if len(raw) < length:
        raise EOFError("cut short")
    return raw


def _damaged(path: Path, error: BaseException) -> StoreError:
    why = str(error) or "a part of it was changed"
    return StoreError(f"the backup is damaged: {why}", where=str(path), remedy="use another backup")


_DAMAGE = (InvalidTag, EOFError, msgspec.DecodeError, UnicodeDecodeError, ValueError)


def _check(path: Path, key: bytes) -> bytes:
    """Read a backup through; its SHA-256. Raises: StoreError."""
    try:
        with path.open("rb") as file:
            header, keys = _head(file)
            for _ in _Sealing(key, header, keys).read(file):
                pass
            file.seek(0)
            hasher = sha256()
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
            return hasher.digest()
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _head(file: BinaryIO) -> tuple[bytes, bytes]:
    magic = file.read(len(_MAGIC))
    if magic[:-2] == _MAGIC[:-2] and magic != _MAGIC:
        raise ValueError("it is of a later version of Jaga")
    if magic != _MAGIC:
        raise ValueError("it is not one of Jaga's")
    return _piece(file), _piece(file)


def restore(path: Path, folder: Path, passphrase: str, *, url: str | None = None) -> Store:
    """Put a backup into a folder that holds no store (and, with `url`, into an empty database); the store, open.

    Nothing counts as a store before everything was read and checked. Raises: UsageError; WrongPassphrase; StoreError.
    """
    if Store.exists(folder) or (folder / DATA).exists():
        raise UsageError("there is a store already", remedy="restore into another folder, or move the old one away")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("rb") as file:
            try:
                header, raw_keys = _head(file)
                found = msgspec.json.decode(header, type=_Header)
            except _DAMAGE as error:
                raise _damaged(path, error) from error
            if found.revision > HEAD:
                raise StoreError("the backup is of a later version of Jaga", where=str(path), remedy="update Jaga")
            keys = Keys.of(raw_keys, folder / "keys.json")
            key = keys.unlock(passphrase)
            for suffix in ("", "-wal", "-shm"):
                (folder / f"{DATA}.new{suffix}").unlink(missing_ok=True)
            engine = make_engine(folder / f"{DATA}.new", key, url)
            try:
                with translated(folder):
                    _fill(engine, file, path, found, _Sealing(key, header, raw_keys))
            finally:
                engine.dispose()
    except OSError as error:
        raise StoreError(f"cannot be restored: {error.strerror}", where=str(error.filename or path)) from error
    # Anyone's change of key that was cut off was not part of what was saved.
    keys.settle(changed=False)
    if url is None:
        take(folder)
    return Store.open_with_key(folder, key, url=url)


def _fill(engine: sa.Engine, file: BinaryIO, path: Path, header: _Header, frames: _Sealing) -> None:
    if revision_of(engine) is not None:
        raise UsageError("the database holds a store already", remedy="name an empty database")
    with engine.begin() as connection:
        upgrade(connection, header.revision)
        tables = {table.name: table for table in _tables(connection)}
        try:
            for frame in frames.read(file):
                table = tables[frame.table]
                flags = [at for at, name in enumerate(frame.columns) if isinstance(table.c[name].type, sa.Boolean)]
                for row in frame.rows:
                    for at in flags:
                        row[at] = None if row[at] is None else bool(row[at])
                for rows in in_parts(frame.rows, _ROWS):
                    connection.execute(sa.insert(table), [dict(zip(frame.columns, row, strict=True)) for row in rows])
        except (*_DAMAGE, KeyError) as error:
            raise _damaged(path, error) from error
        if connection.dialect.name == "postgresql":
            _go_on_counting(connection, tables.values())
        with orm.Session(connection) as session:
            newest = session.scalar(sa.select(t.AuditLine.hash).order_by(t.AuditLine.id.desc()).limit(1)) or FIRST
            if newest != header.audit or next(broken_lines(session), None) is not None:
                raise _damaged(path, ValueError("its audit is not whole"))
        upgrade(connection)


def _go_on_counting(connection: sa.Connection, tables: Any) -> None:
    for table in tables:
        if "id" in table.c:
            name = _quoted(connection, table.name)
            connection.execute(
                sa.text(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "  # noqa: S608 (names of our own tables)
                    f"coalesce((SELECT max(id) FROM {name}), 0) + 1, false)"
                )
            )
