"""Schemas: the models are what the migrations make, on both databases; every released one is brought up to date with a backup before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from jaga.errors import StoreError
from jaga.store import Store, _database, _upgrade, broken_lines, import_paths, restore
from jaga.store import _tables as t
from jaga.store._upgrade import HEAD
from tests.store.house import NOW, PASSPHRASE, Home, chat, write
from tests.store.make_stored import ALERTS, CHILD, MESSAGES

FIXTURES = Path(__file__).parent / "fixtures"
RELEASED = sorted(path.name for path in FIXTURES.glob("schema-*"))


def test_the_models_are_what_the_migrations_make(home: Home) -> None:
    with home.store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, t.Base.metadata) == []


def test_head_is_the_newest_migration() -> None:
    script = ScriptDirectory(str(Path(_upgrade.__file__).parent / "migrations"))
    assert script.get_heads() == [HEAD]
    assert f"schema-{int(HEAD)}" in RELEASED


@pytest.mark.parametrize("name", RELEASED)
def test_a_stored_store_of_every_schema_opens(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "home"
    shutil.copytree(FIXTURES / name, folder)
    store = Store.open(folder, PASSPHRASE)
    try:
        assert _upgrade.revision_of(store.engine) == HEAD
        with store.session(read_only=True) as session:
            assert list(broken_lines(session)) == []
            assert session.scalar(sa.select(sa.func.count()).select_from(t.Message)) == MESSAGES
            assert session.scalars(sa.select(t.Alert.level).order_by(t.Alert.id)).all() == list(ALERTS)
            child = session.scalars(sa.select(t.Child)).one()
            assert child.name == CHILD
        again = import_paths(store, child.id, [write(tmp_path / "again.jsonl", chat())], now=NOW, by=None)
        assert again.new == 0
        more = import_paths(store, child.id, [write(tmp_path / "more.jsonl", chat("x", start=99))], now=NOW, by=None)
        assert more.new == 17
    finally:
        store.close()
    backups = list(folder.glob("before-upgrade-*.jagabackup"))
    assert len(backups) == (0 if name == f"schema-{int(HEAD)}" else 1)


def test_a_store_of_a_later_schema_is_refused(home: Home) -> None:
    with home.store.session() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    home.store.close()
    with pytest.raises(StoreError, match="later version of Jaga") as raised:
        Store.open(home.store.folder, PASSPHRASE, url=home.url)
    assert raised.value.remedy == "update Jaga"


def test_before_an_upgrade_there_is_a_backup_and_a_failed_one_changes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.bring(chat())
    before = home.assessments()
    home.store.close()
    # As if this Jaga knew one schema more.
    monkeypatch.setattr(_database, "HEAD", "0002")
    done: list[str] = []

    def fails(connection: sa.Connection, to: str = "0002") -> None:
        connection.execute(sa.text("CREATE TABLE half (id INTEGER)"))
        raise StoreError("the migration failed")

    def works(connection: sa.Connection, to: str = "0002") -> None:
        connection.execute(sa.text("CREATE TABLE whole (id INTEGER)"))
        done.append(to)

    monkeypatch.setattr(_database, "upgrade", fails)
    with pytest.raises(StoreError, match="the migration failed"):
        Store.open(home.store.folder, PASSPHRASE, url=home.url)
    (saved,) = home.store.folder.glob("before-upgrade-0001-*.jagabackup")
    saved.unlink()
    monkeypatch.setattr(_database, "upgrade", works)
    home.store = home.keep(Store.open(home.store.folder, PASSPHRASE, url=home.url))
    assert done == ["0002"]
    tables = sa.inspect(home.store.engine).get_table_names()
    assert "whole" in tables
    assert "half" not in tables
    assert home.assessments() == before
    monkeypatch.undo()
    (saved,) = home.store.folder.glob("before-upgrade-0001-*.jagabackup")
    back = home.keep(restore(saved, home.folder / "back", PASSPHRASE, url=home.new_url()))
    with back.session(read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(t.Message)) == 17


def test_rows_that_only_grow_have_their_triggers(home: Home) -> None:
    with home.store.session(read_only=True) as session:
        names = session.scalars(
            sa.text(
                "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
                if home.url is not None
                else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            )
        ).all()
    for table in ("audit", "feedback", "seen", "originals", "messages", "alerts"):
        assert {f"{table}_no_update", f"{table}_no_delete"} <= set(names)
