"""Opening a household's store: a SQLCipher file by default, PostgreSQL by URL."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

import sqlalchemy as sa
from platformdirs import user_data_path
from sqlalchemy import orm

from jaga.errors import StoreError, UsageError, WrongPassphrase
from jaga.store._errors import translated
from jaga.store._keys import KEY_BYTES, STANDARD, Cost, Keys
from jaga.store._lock import one_at_a_time
from jaga.store._upgrade import HEAD, revision_of, upgrade

__all__ = ["DATA", "Store", "home_folder", "make_engine", "take"]

DATA = "jaga.db"
# How long a writer waits for another one.
WAIT_S = 30.0


def home_folder() -> Path:
    """The folder that holds everything: `JAGA_HOME`, else the platform's data folder."""
    named = os.environ.get("JAGA_HOME")
    return Path(named) if named else user_data_path("jaga", appauthor=False)


class Store:
    """An open store. `Store.create` or `Store.open` make one; `close` it.

    `folder` holds `keys.json` and, unless the data is in PostgreSQL (`url`), `jaga.db` with its write-ahead log.
    """

    def __init__(self, folder: Path, key: bytes, keys: Keys, engine: sa.Engine, url: str | None = None) -> None:
        self.folder = folder
        self.keys = keys
        self.key = key
        self.url = url
        self.use(engine)
        self._importing = threading.Lock()

    def use(self, engine: sa.Engine) -> None:
        """Go on with another engine (the same data under another key)."""
        self.engine = engine
        self._sessions = orm.sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def exists(cls, folder: Path) -> bool:
        return (folder / "keys.json").exists()

    @classmethod
    def create(
        cls, folder: Path, passphrase: str, *, slot: str, url: str | None = None, cost: Cost = STANDARD
    ) -> Store:
        """A new, empty store; `cost` is for tests. Raises: UsageError if there is one already; StoreError."""
        if cls.exists(folder):
            raise UsageError("there is a store already", remedy="open it, or choose another folder with JAGA_HOME")
        if (folder / DATA).exists():
            raise StoreError(
                "there is data, but the keys.json that opens it is missing",
                where=str(folder),
                remedy="put keys.json back from a backup, or choose another folder with JAGA_HOME",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot make the folder: {error.strerror}", where=str(folder)) from error
        key = token_bytes(KEY_BYTES)
        keys = Keys(folder / "keys.json", cost=cost)
        # Data first, under a name of its own: a crash before the keys are there leaves nothing that counts as a store.
        for suffix in ("", "-wal", "-shm"):
            (folder / f"{DATA}.new{suffix}").unlink(missing_ok=True)
        with translated(folder):
            engine = make_engine(folder / f"{DATA}.new", key, url)
            try:
                if revision_of(engine) is not None:
                    raise UsageError("the database holds a store already", remedy="name an empty database")
                with engine.begin() as connection:
                    upgrade(connection)
                keys.lock(slot, key, passphrase)
            finally:
                engine.dispose()
        if url is None:
            take(folder)
        return cls(folder, key, keys, make_engine(folder / DATA, key, url), url)

    @classmethod
    def open(cls, folder: Path, passphrase: str, *, url: str | None = None) -> Store:
        """Raises: WrongPassphrase; StoreError if it is missing or damaged."""
        keys = Keys.load(folder / "keys.json")
        present, *proposed = keys.candidates(passphrase)
        if not proposed:
            return cls._open(folder, keys, present, url)
        # A change of the key was cut off: the data was written anew wholly, or not at all.
        try:
            store, changed = cls._open(folder, keys, present, url), False
        except WrongPassphrase:
            store, changed = cls._open(folder, keys, proposed[0], url), True
        keys.settle(changed=changed)
        return store

    @classmethod
    def open_with_key(cls, folder: Path, key: bytes, *, url: str | None = None) -> Store:
        """As `open`, with the key itself."""
        return cls._open(folder, Keys.load(folder / "keys.json"), key, url)

    @classmethod
    def _open(cls, folder: Path, keys: Keys, key: bytes, url: str | None) -> Store:
        if url is None and not (folder / DATA).exists():
            if not (folder / f"{DATA}.new").exists():
                raise StoreError("the data file is missing", where=str(folder / DATA), remedy="restore the last backup")
            take(folder)
        with translated(folder):
            engine = make_engine(folder / DATA, key, url)
            try:
                found = revision_of(engine)
                if found is None:
                    raise StoreError("there is no store in it", where=str(folder), remedy="restore the last backup")
                store = cls(folder, key, keys, engine, url)
                if found != HEAD:
                    from jaga.store._backup import backup_before_upgrade

                    backup_before_upgrade(store, found)
                    with engine.begin() as connection:
                        upgrade(connection)
            except BaseException:
                engine.dispose()
                raise
        return store

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[orm.Session]:
        """One transaction: committed at the end, undone if anything is raised.

        There is one writer at a time. Unless it is `read_only` a session waits for its turn to write at its start, so that what it
        reads cannot be changed by another one before it writes; never open one inside another. Raises: StoreError.
        """
        options = {"read_only": True, "postgresql_readonly": True} if read_only else {}
        with translated(self.folder), self._sessions() as session, session.begin():
            session.connection(execution_options=options)
            yield session

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Held by whoever takes in, judges anew, drops or erases: one at a time, over threads and programs."""
        with self._importing, one_at_a_time(self.folder, self.engine):
            yield

    def close(self) -> None:
        self.engine.dispose()


def take(folder: Path) -> None:
    """Give new data its name."""
    try:
        (folder / f"{DATA}.new").replace(folder / DATA)
    except OSError as error:
        raise StoreError(f"the data file cannot be put in place: {error.strerror}", where=str(folder)) from error


def make_engine(path: Path, key: bytes, url: str | None = None) -> sa.Engine:
    """A SQLCipher file, or the PostgreSQL database of a URL. Nothing is opened yet. Raises: UsageError for an unusable URL."""
    if url is not None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise UsageError("the database URL cannot be read", remedy="postgresql://user@host/name") from error
        if parsed.get_backend_name() != "postgresql":
            raise UsageError(f"no store in {parsed.get_backend_name()!r}", remedy="postgresql://user@host/name")
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
    import sqlcipher3.dbapi2 as sqlcipher

    def connect() -> Any:
        empty = not path.exists() or path.stat().st_size == 0
        connection = sqlcipher.connect(str(path), check_same_thread=False, timeout=WAIT_S)
        try:
            # The key comes first: nothing can be asked of the file before it.
            connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            # Counts only for a file that is empty so far; in another it would wait for whoever writes just now.
            if empty:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection

    # What a statement was given is what people wrote: it belongs into no error and no log.
    engine = sa.create_engine(
        "sqlite+pysqlite://",
        module=sqlcipher,
        creator=connect,
        poolclass=sa.pool.QueuePool,
        hide_parameters=True,
    )

    # As SQLAlchemy's documentation tells: the driver's own idea of when a transaction begins gets in the way.
    @sa.event.listens_for(engine, "connect")
    def _by_hand(connection: Any, record: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("read_only"):
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
