"""Opening a household's store: a SQLCipher file by default, PostgreSQL by URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

import sqlalchemy as sa
from platformdirs import user_data_path
from sqlalchemy import orm

from jaga.errors import StoreError, UsageError, WrongPassphrase
from jaga.store._keys import KEY_BYTES, Keys
from jaga.store._tables import Base

__all__ = ["Store", "home_folder"]


def home_folder() -> Path:
    """The folder that holds everything: `JAGA_HOME`, else the platform's data folder."""
    named = os.environ.get("JAGA_HOME")
    return Path(named) if named else user_data_path("jaga", appauthor=False)


class Store:
    """An open store. `Store.create` or `Store.open` make one; `close` it.

    `folder` holds `keys.json` and, unless the data is in PostgreSQL (`url`), `jaga.db` with its write-ahead log.
    """

    def __init__(self, folder: Path, key: bytes, keys: Keys, engine: sa.Engine) -> None:
        self.folder = folder
        self.keys = keys
        self.key = key
        self.engine = engine
        self._sessions = orm.sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def exists(cls, folder: Path) -> bool:
        return (folder / "keys.json").exists()

    @classmethod
    def create(cls, folder: Path, passphrase: str, *, slot: str, url: str | None = None) -> Store:
        """A new, empty store. Raises: UsageError if there is one already; StoreError."""
        if cls.exists(folder):
            raise UsageError("there is a store already", remedy="open it, or choose another folder with JAGA_HOME")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot make the folder: {error.strerror}", where=str(folder)) from error
        key = token_bytes(KEY_BYTES)
        keys = Keys(folder / "keys.json")
        engine = _engine(folder, key, url)
        Base.metadata.create_all(engine)
        keys.lock(slot, key, passphrase)
        return cls(folder, key, keys, engine)

    @classmethod
    def open(cls, folder: Path, passphrase: str, *, url: str | None = None) -> Store:
        """Raises: WrongPassphrase; StoreError if it is missing or damaged."""
        keys = Keys.load(folder / "keys.json")
        return cls.open_with_key(folder, keys.unlock(passphrase), url=url)

    @classmethod
    def open_with_key(cls, folder: Path, key: bytes, *, url: str | None = None) -> Store:
        """As `open`, with the key itself."""
        engine = _engine(folder, key, url)
        try:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT count(*) FROM families"))
        except sa.exc.DatabaseError as error:
            engine.dispose()
            if "not a database" in str(error):
                raise WrongPassphrase("the key does not fit the store", where=str(folder / "jaga.db")) from error
            raise StoreError(f"the store cannot be read: {error.orig}", where=str(folder)) from error
        return cls(folder, key, Keys.load(folder / "keys.json"), engine)

    @contextmanager
    def session(self) -> Iterator[orm.Session]:
        """One transaction: committed at the end, undone if anything is raised."""
        with self._sessions() as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _engine(folder: Path, key: bytes, url: str | None) -> sa.Engine:
    if url is not None:
        return sa.create_engine(url, pool_pre_ping=True)
    import sqlcipher3.dbapi2 as sqlcipher

    path = folder / "jaga.db"

    def connect() -> Any:
        connection = sqlcipher.connect(str(path), check_same_thread=False, timeout=30)
        # The key comes first: nothing can be asked of the file before it.
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    engine = sa.create_engine("sqlite+pysqlite://", module=sqlcipher, creator=connect, poolclass=sa.pool.QueuePool)

    # As SQLAlchemy's documentation tells: the driver's own idea of when a transaction begins gets in the way.
    @sa.event.listens_for(engine, "connect")
    def _by_hand(connection: Any, record: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")

    return engine
