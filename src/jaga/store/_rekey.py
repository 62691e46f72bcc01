"""Writing the store anew under another key: after somebody was removed who may have kept the old one."""

from __future__ import annotations

from datetime import datetime
from secrets import token_bytes

import sqlalchemy as sa

from jaga.errors import StoreError, UsageError
from jaga.store import _tables as t
from jaga.store._audit import audit
from jaga.store._database import DATA, Store, make_engine
from jaga.store._errors import translated
from jaga.store._keys import KEY_BYTES

__all__ = ["change_key"]


def change_key(store: Store, *, by: int | None, now: datetime) -> None:
    """Take a new key; every passphrase that still has a slot opens it. Backups made before keep their own key and passphrases.

    A crash leaves the old key or the new one, and both open until it is known which. No session may be open.
    Raises: UsageError while uploads wait to be read, which are locked with the present key; StoreError.
    """
    with store.importing():
        with store.session(read_only=True) as session:
            if session.scalar(
                sa.select(t.Import.id).where(t.Import.uploaded.is_(True), t.Import.state.in_(("waiting", "reading")))
            ):
                raise UsageError("uploads wait to be read", remedy="let them be read first")
        key = token_bytes(KEY_BYTES)
        store.keys.propose(key)
        try:
            if store.url is None:
                _rewrite(store, key)
        except BaseException:
            # Nothing was changed: SQLite undoes what it began.
            store.keys.settle(changed=False)
            raise
        store.keys.settle(changed=True)
        store.key = key
    with store.session() as session:
        audit(session, "key.changed", at=now, person=by)


def _rewrite(store: Store, key: bytes) -> None:
    store.engine.dispose()
    path = store.folder / DATA
    # Alone, and with a rollback journal: then the change of all pages is one transaction, and a crash undoes it at the next opening.
    engine = make_engine(path, store.key)
    with translated(store.folder):
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            (mode,) = cursor.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode != "delete":
                raise StoreError("another program holds the store; nothing was changed", where=str(store.folder))
            cursor.execute(f"PRAGMA rekey = \"x'{key.hex()}'\"")
        finally:
            connection.close()
            engine.dispose()
    store.use(make_engine(path, key))
