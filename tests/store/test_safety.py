"""Faults: wrong passphrases, damage, full disks, other keys. Each gives one clear error, and nothing is lost."""

from __future__ import annotations

import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest
import sqlalchemy as sa

from jaga.errors import StoreError, UsageError, WrongPassphrase
from jaga.store import (
    Keys,
    Store,
    audit,
    backup,
    broken_lines,
    change_key,
    import_paths,
    queue_import,
    recovery_code,
    restore,
)
from jaga.store import _tables as t
from tests.store.house import FAST, NOW, PASSPHRASE, Home, chat, talk, write

_WORDS = ("Aina", "aina", "Rahman", "you promised", "diamonds", "purple umbrella", "ray", "jaga_schema", "messages")
_FRIEND = talk("mei", [("mei", "the purple umbrella stands there"), ("aina", "oh nice")], start=2)


def _reopen(home: Home, passphrase: str = PASSPHRASE) -> Store:
    home.store.close()
    home.store = home.keep(Store.open(home.store.folder, passphrase, url=home.url))
    return home.store


def test_a_store_opens_again_with_all_that_is_in_it(home: Home) -> None:
    home.bring([*chat(), *_FRIEND])
    before = home.assessments()
    _reopen(home)
    assert home.assessments() == before
    assert home.bring([*chat(), *_FRIEND], name="again.jsonl").new == 0


def test_wrong_passphrases_open_nothing(home: Home) -> None:
    for wrong in ("", "kuih lapis dan teh tarik ", "KUIH LAPIS DAN TEH TARIK", "x" * 10_000):
        with pytest.raises(WrongPassphrase):
            Store.open(home.store.folder, wrong, url=home.url)


def test_another_key_opens_no_file(cipher_home: Home) -> None:
    cipher_home.store.close()
    with pytest.raises(WrongPassphrase, match="does not fit"):
        Store.open_with_key(cipher_home.store.folder, bytes(32))


def test_nothing_is_readable_without_the_key(cipher_home: Home) -> None:
    """Files, log, backup and whatever lies in the folder, while the store is open and after."""
    home = cipher_home
    home.bring([*chat(), *_FRIEND])
    for export in home.folder.glob("*.jsonl"):
        export.unlink()
    backup(home.store, home.folder / "one.jagabackup", by=None, now=NOW)
    seen = set()
    for closed in (False, True):
        if closed:
            home.store.close()
        for path in home.folder.rglob("*"):
            if path.is_file():
                seen.add(path.name)
                raw = path.read_bytes()
                for word in _WORDS:
                    if path.name != "keys.json":
                        assert word.encode() not in raw or len(word) < 5, (path, word)
                        assert word.encode("utf-16-le") not in raw, (path, word)
    assert seen >= {"jaga.db", "jaga.db-wal", "one.jagabackup", "keys.json"}


def test_what_does_not_fit_in_memory_lies_locked_on_the_disk(
    cipher_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jaga.sources import _gather

    files: list[Path] = []

    def kept(prefix: str) -> IO[bytes]:
        files.append(cipher_home.folder / f"{prefix}{len(files)}")
        return files[-1].open("w+b")

    monkeypatch.setattr(_gather, "CHUNK", 4)
    monkeypatch.setattr(tempfile, "TemporaryFile", kept)
    assert cipher_home.bring([*chat(), *_FRIEND]).new == 19
    assert len(files) >= 4
    for path in files:
        raw = path.read_bytes()
        assert len(raw) > 100
        assert not any(word.encode() in raw for word in _WORDS if len(word) > 4)


def test_a_store_is_not_made_twice(home: Home) -> None:
    with pytest.raises(UsageError, match="there is a store already"):
        Store.create(home.store.folder, PASSPHRASE, slot="x", url=home.url, cost=FAST)
    if home.url is not None:
        with pytest.raises(UsageError, match="holds a store already"):
            Store.create(home.folder / "elsewhere", PASSPHRASE, slot="x", url=home.url, cost=FAST)


def test_keys_without_data_and_data_without_keys_are_told(cipher_home: Home) -> None:
    folder = cipher_home.store.folder
    cipher_home.store.close()
    keys = folder / "keys.json"
    kept = keys.read_bytes()
    keys.unlink()
    with pytest.raises(StoreError, match="key file is missing") as missing:
        Store.open(folder, PASSPHRASE)
    assert missing.value.remedy is not None
    with pytest.raises(StoreError, match=re.escape("the keys.json that opens it is missing")):
        Store.create(folder, PASSPHRASE, slot="x", cost=FAST)
    keys.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(StoreError, match="key file cannot be read"):
        Store.open(folder, PASSPHRASE)
    keys.write_bytes(kept)
    (folder / "jaga.db").rename(folder / "moved.db")
    with pytest.raises(StoreError, match="data file is missing"):
        Store.open(folder, PASSPHRASE)
    assert not (folder / "jaga.db").exists()


@pytest.mark.parametrize("where", ["first page", "middle", "cut short"])
def test_damage_is_told_as_damage(cipher_home: Home, where: str) -> None:
    home = cipher_home
    home.bring([*chat(), *_FRIEND])
    home.store.close()
    path = home.store.folder / "jaga.db"
    raw = bytearray(path.read_bytes())
    if where == "first page":
        raw[100:200] = bytes(100)
    elif where == "middle":
        for page in range(2, len(raw) // 4096):
            raw[page * 4096 + 50] ^= 0xFF
    else:
        del raw[4096 * 3 :]
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"damaged|does not fit|failed") as raised:
        _read_all(home)
    assert str(home.store.folder) in str(raised.value)


def _read_all(home: Home) -> None:
    store = home.keep(Store.open(home.store.folder, PASSPHRASE))
    with store.session(read_only=True) as session:
        for table in t.Base.metadata.sorted_tables:
            session.execute(sa.select(table)).all()


def test_a_passphrase_is_changed_and_a_guardian_removed(home: Home) -> None:
    home.bring(chat())
    store, before = home.store, home.assessments()
    code = recovery_code()
    store.keys.lock("amir", store.key, "another passphrase here")
    store.keys.lock("recovery", store.key, code, kind="recovery")
    store.keys.lock("siti", store.key, "siti has a new passphrase")
    with pytest.raises(WrongPassphrase):
        Store.open(store.folder, PASSPHRASE, url=home.url)
    old = store.key
    store.keys.drop("amir")
    change_key(store, by=1, now=NOW)
    assert store.key != old
    assert home.assessments() == before
    home.bring(_FRIEND, name="friend.jsonl")
    before = home.assessments()
    with pytest.raises(WrongPassphrase):
        Store.open(store.folder, "another passphrase here", url=home.url)
    store.close()
    if home.url is None:
        with pytest.raises(WrongPassphrase):
            Store.open_with_key(store.folder, old)
    for passphrase in ("siti has a new passphrase", code.lower().replace("-", " ")):
        home.store = home.keep(Store.open(store.folder, passphrase, url=home.url))
        assert home.assessments() == before
        home.store.close()


def test_the_key_is_not_changed_while_somebody_reads(cipher_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home = cipher_home
    home.bring(chat())
    old, before = home.store.key, home.assessments()
    other = home.keep(Store.open(home.store.folder, PASSPHRASE))
    with other.session(read_only=True) as session:
        session.scalars(sa.select(t.Message.id)).all()
        monkeypatch.setattr("jaga.store._database.WAIT_S", 0.1)
        with pytest.raises(StoreError, match="another program holds"):
            change_key(home.store, by=1, now=NOW)
    other.close()
    assert home.store.key == old
    assert home.assessments() == before
    assert _reopen(home).key == old


@pytest.mark.parametrize("changed", [False, True])
def test_a_change_of_key_that_was_cut_off_ends_at_the_next_opening(cipher_home: Home, changed: bool) -> None:
    from jaga.store import _rekey

    home = cipher_home
    home.bring(chat())
    before, new = home.assessments(), bytes(range(32))
    home.store.keys.propose(new)
    if changed:
        _rekey._rewrite(home.store, new)
    home.store.close()
    again = _reopen(home)
    assert (again.key == new) is changed
    assert home.assessments() == before
    assert Keys.load(again.folder / "keys.json").candidates(PASSPHRASE) == (again.key,)


def test_uploads_that_wait_keep_the_key(home: Home) -> None:
    queue_import(home.store, home.child, home.folder / "x", "x", by=None, uploaded=True, now=NOW)
    with pytest.raises(UsageError, match="uploads wait"):
        change_key(home.store, by=1, now=NOW)


# ------------------------------------------------------------ full disks


@pytest.fixture
def full(cipher_home: Home) -> Iterator[Home]:
    """A store whose file may not grow any more."""
    home = cipher_home
    home.bring(_FRIEND)

    def limit(connection: Any, record: object, proxy: object) -> None:
        cursor = connection.cursor()
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        cursor.close()

    sa.event.listen(home.store.engine, "checkout", limit)
    yield home
    sa.event.remove(home.store.engine, "checkout", limit)


def test_a_full_disk_takes_nothing_in_and_loses_nothing(full: Home) -> None:
    before = full.assessments()
    lines = [*chat(), *talk("long", [("zul", "x" * 3000)] * 20, start=100)]
    with pytest.raises(StoreError, match="the disk is full") as raised:
        full.bring(lines)
    assert "nothing was changed" in str(raised.value)
    assert raised.value.remedy == "free some space and do it again"
    assert full.assessments() == before
    # Room again: the import that did not end is taken up.
    again = full.keep(Store.open(full.store.folder, PASSPHRASE))
    assert import_paths(again, full.child, [full.folder / "export.jsonl"], now=NOW, by=None).new == 37
    with again.session(read_only=True) as session:
        assert list(broken_lines(session)) == []


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    """As a disk that is nearly full: writing past it fails."""
    resource = pytest.importorskip("resource")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_file_that_may_not_grow_is_told(cipher_home: Home) -> None:
    home = cipher_home
    home.bring(_FRIEND)
    before = home.assessments()
    size = (home.store.folder / "jaga.db-wal").stat().st_size
    path = write(home.folder / "long.jsonl", talk("long", [("zul", "x" * 3000)] * 200, start=100))
    with _no_file_above(size + 8192), pytest.raises(StoreError, match="disk"):
        import_paths(home.store, home.child, [path], now=NOW, by=None)
    assert home.assessments() == before
    _reopen(home)
    assert import_paths(home.store, home.child, [path], now=NOW, by=None).new == 200


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(StoreError, match="cannot make the folder"):
        Store.create(tmp_path / "file" / "home", PASSPHRASE, slot="siti", cost=FAST)


def test_an_unusable_url_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store in 'mysql'"):
        Store.create(tmp_path / "a", PASSPHRASE, slot="siti", url="mysql://x/y", cost=FAST)
    with pytest.raises(UsageError, match="cannot be read"):
        Store.create(tmp_path / "b", PASSPHRASE, slot="siti", url="not a url", cost=FAST)
    with pytest.raises(StoreError, match="the database failed"):
        Store.create(tmp_path / "c", PASSPHRASE, slot="siti", url="postgresql://x@/y?host=/nowhere", cost=FAST)
    assert not any(Store.exists(tmp_path / one) for one in "abc")


# ------------------------------------------------------------ backups


def test_what_was_backed_up_comes_back(home: Home) -> None:
    home.bring([*chat(), *_FRIEND])
    path = home.folder / "one.jagabackup"
    made = backup(home.store, path, by=None, now=NOW)
    assert made.size_bytes == path.stat().st_size
    with home.store.session() as session:
        # So that both are alike: the note of the backup itself came after it.
        session.execute(sa.delete(t.Backup))
    again = home.keep(restore(path, home.folder / "again", PASSPHRASE, url=home.new_url()))
    with again.session(read_only=True) as session:
        lines = session.scalars(sa.select(t.AuditLine.what).order_by(t.AuditLine.id)).all()
        assert lines[-1] == "import.done"
        assert list(broken_lines(session)) == []
    with again.session() as session:
        audit(session, "restored", at=NOW)
    for table in (t.Message, t.Seen, t.Relationship, t.Alert, t.Original, t.Conversation):
        with home.store.session(read_only=True) as first, again.session(read_only=True) as second:
            source = table.__table__
            assert isinstance(source, sa.Table)
            keys = tuple(source.primary_key.columns)
            assert (
                first.execute(sa.select(source).order_by(*keys)).all()
                == second.execute(sa.select(source).order_by(*keys)).all()
            )
    # It goes on as the first one would.
    result = import_paths(again, home.child, [home.folder / "export.jsonl"], now=NOW, by=None)
    assert result.new == 0


def test_a_backup_of_one_database_goes_into_the_other(cipher_home: Home, postgresql: str) -> None:
    from tests.store.conftest import _database

    home = cipher_home
    home.bring([*chat(), *_FRIEND])
    backup(home.store, home.folder / "one.jagabackup", by=None, now=NOW)
    server = home.keep(
        restore(home.folder / "one.jagabackup", home.folder / "pg", PASSPHRASE, url=_database(postgresql))
    )
    backup(server, home.folder / "two.jagabackup", by=None, now=NOW)
    back = home.keep(restore(home.folder / "two.jagabackup", home.folder / "back", PASSPHRASE))
    for table in (t.Message, t.Seen, t.Relationship, t.Alert, t.Conversation):
        with home.store.session(read_only=True) as first, back.session(read_only=True) as second:
            source = table.__table__
            assert isinstance(source, sa.Table)
            keys = tuple(source.primary_key.columns)
            rows = first.execute(sa.select(source).order_by(*keys)).all()
            assert rows
            assert second.execute(sa.select(source).order_by(*keys)).all() == rows
    result = import_paths(
        server, home.child, [write(home.folder / "n.jsonl", chat("new", start=500))], now=NOW, by=None
    )
    assert result.new == 17


def test_a_backup_that_was_changed_is_refused(cipher_home: Home) -> None:
    home = cipher_home
    home.bring([*chat(), *_FRIEND])
    path = home.folder / "one.jagabackup"
    backup(home.store, path, by=None, now=NOW)
    raw = path.read_bytes()
    target = home.folder / "again"
    places = [5, 20, 60, len(raw) // 3, len(raw) // 2, len(raw) - 3]
    damaged = [
        *(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in places),
        *(raw[: len(raw) - cut] for cut in (1, 30, 5000)),
        raw + b"x",
        b"",
        b"JAGABACKUP\x02\n" + raw[12:],
    ]
    for number, one in enumerate(damaged):
        other = home.folder / f"{number}.jagabackup"
        other.write_bytes(one)
        with pytest.raises(StoreError):
            restore(other, target, PASSPHRASE)
        assert not Store.exists(target)
    with pytest.raises(WrongPassphrase):
        restore(path, target, "not the passphrase")
    with pytest.raises(StoreError, match="cannot be restored"):
        restore(home.folder / "missing", target, PASSPHRASE)
    home.keep(restore(path, target, PASSPHRASE))
    with pytest.raises(UsageError, match="there is a store already"):
        restore(path, target, PASSPHRASE)
    with pytest.raises(UsageError, match="such a file already"):
        backup(home.store, path, by=None, now=NOW)


def test_a_backup_that_finds_no_room_leaves_nothing(home: Home) -> None:
    home.bring([*chat(), *_FRIEND])
    before = home.assessments()
    with _no_file_above(8192), pytest.raises(StoreError, match="backup cannot be written") as raised:
        backup(home.store, home.folder / "one.jagabackup", by=None, now=NOW)
    assert raised.value.remedy == "choose a disk with room"
    with pytest.raises(StoreError, match="backup cannot be written"):
        backup(home.store, home.folder / "no such folder" / "one.jagabackup", by=None, now=NOW)
    assert not list(home.folder.glob("*.jagabackup*"))
    assert home.count(t.Backup) == 0
    assert home.assessments() == before


def test_two_writers_wait_for_each_other(home: Home) -> None:
    """A session that reads, then writes, never fails because another one wrote in between."""
    import threading

    def work(number: int) -> None:
        for _ in range(10):
            with home.store.session() as session:
                session.scalars(sa.select(t.AuditLine.id)).all()
                audit(session, "tried", at=NOW + timedelta(seconds=number), family=home.family)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with home.store.session(read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).where(t.AuditLine.what == "tried")) == 40
        assert list(broken_lines(session)) == []


def test_a_read_only_session_writes_nothing(home: Home) -> None:
    with pytest.raises((StoreError, sa.exc.DBAPIError)), home.store.session(read_only=True) as session:
        audit(session, "tried", at=NOW)
    with home.store.session(read_only=True) as session:
        assert "tried" not in session.scalars(sa.select(t.AuditLine.what)).all()


def test_a_line_of_the_audit_that_was_changed_is_found(home: Home) -> None:
    home.bring(chat())
    with home.store.session() as session:
        lines = session.scalars(sa.select(t.AuditLine.id).order_by(t.AuditLine.id)).all()
        # As somebody with the key would have to: the trigger goes first.
        on = " ON audit" if home.url is not None else ""
        session.execute(sa.text(f"DROP TRIGGER audit_no_update{on}"))
        session.execute(sa.text("UPDATE audit SET what = 'nothing' WHERE id = :id"), {"id": lines[2]})
    with home.store.session(read_only=True) as session:
        assert list(broken_lines(session)) == [lines[2]]
    with home.store.session() as session:
        session.execute(sa.text(f"DROP TRIGGER audit_no_delete{on}"))
        session.execute(sa.text("DELETE FROM audit WHERE id = :id"), {"id": lines[1]})
    with home.store.session(read_only=True) as session:
        assert list(broken_lines(session)) == [lines[2]]
        assert len(session.scalars(sa.select(t.AuditLine.id)).all()) == len(lines) - 1
