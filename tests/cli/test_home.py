"""`jaga home` and `jaga doctor` from a terminal: what they say, what they refuse, what they write."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.store import Store
from jaga.store._tables import AuditLine, Message, Watched
from tests.family.home.process import jaga
from tests.family.notify.household import PASSPHRASE, Clock, Household

SAMPLES = Path(__file__).parents[2] / "samples" / "whatsapp"
OPEN = {"JAGA_PASSPHRASE": PASSPHRASE}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    clock = Clock()
    clock.at = datetime.now(timezone.utc)
    household = Household(tmp_path / "home", clock)
    yield household
    household.store.close()


@pytest.fixture
def folder(home: Household) -> Path:
    return home.store.folder


def count(home: Household, column: sa.orm.InstrumentedAttribute[int]) -> int:
    with home.store.session(read_only=True) as session:
        return session.scalar(sa.select(sa.func.count(column))) or 0


def test_without_a_store_every_command_says_what_to_do(tmp_path: Path) -> None:
    for command in (["import", "--child", "Aina", "x"], ["backup", "x"], ["export", "x"], ["erase", "--child", "Aina"]):
        done = jaga(tmp_path, "home", *command)
        assert done.returncode == 2
        assert "nobody has set Jaga up here yet" in done.stderr
        assert "JAGA_HOME" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_passphrase_and_a_terminal_it_says_where_it_may_come_from(folder: Path) -> None:
    done = jaga(folder, "home", "backup", folder.parent / "x")
    assert done.returncode == 2
    assert "JAGA_PASSPHRASE" in done.stderr


def test_importing_says_what_came_of_it(folder: Path, home: Household) -> None:
    done = jaga(folder, "home", "import", "--child", "Aina", SAMPLES, **OPEN)
    assert done.returncode in (10, 11)
    assert "new alert" in done.stdout
    assert count(home, Message.id) > 0


def test_importing_for_nobody_names_who_there_is(folder: Path) -> None:
    done = jaga(folder, "home", "import", "--child", "Lim", SAMPLES, **OPEN)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "jaga: --child Lim: no child of this name (there are: Aina)\n"


def test_what_cannot_be_read_is_3_and_a_part_4(folder: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.txt"
    nothing.write_text("not a chat")
    assert jaga(folder, "home", "import", "--child", "Aina", nothing, **OPEN).returncode == 3


def test_a_backup_comes_back_elsewhere_and_is_never_written_over(folder: Path, tmp_path: Path, home: Household) -> None:
    jaga(folder, "home", "import", "--child", "Aina", SAMPLES, **OPEN)
    file = tmp_path / "jaga.backup"
    done = jaga(folder, "home", "backup", file, "--json", **OPEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    assert jaga(folder, "home", "backup", file, **OPEN).returncode == 2
    assert jaga(folder, "home", "restore", file, **OPEN).returncode == 2
    elsewhere = tmp_path / "elsewhere"
    wrong = jaga(elsewhere, "home", "restore", file, JAGA_PASSPHRASE="not this one, surely")
    assert wrong.returncode == 2
    assert "does not fit" in wrong.stderr
    assert not Store.exists(elsewhere)
    assert jaga(elsewhere, "home", "restore", file, **OPEN).returncode == 0
    store = Store.open(elsewhere, PASSPHRASE)
    try:
        with store.session(read_only=True) as session:
            assert session.scalar(sa.select(sa.func.count(Message.id))) == count(home, Message.id)
    finally:
        store.close()


def test_an_export_is_of_its_owner_alone_and_of_one_child_if_asked(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    done = jaga(folder, "home", "export", file, "--child", "Aina", **OPEN)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert any(line["table"] == "children" for line in lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = jaga(folder, "home", "export", file, **OPEN)
    assert again.returncode == 2
    assert "such a file already" in again.stderr


def test_erasing_asks_for_the_name_and_names_the_backups(folder: Path, tmp_path: Path, home: Household) -> None:
    jaga(folder, "home", "import", "--child", "Aina", SAMPLES, **OPEN)
    jaga(folder, "home", "backup", tmp_path / "jaga.backup", **OPEN)
    # Nobody sits there.
    refused = jaga(folder, "home", "erase", "--child", "Aina", **OPEN)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert count(home, Message.id) > 0
    home.store.close()
    done = jaga(folder, "home", "erase", "--child", "Aina", "--yes", **OPEN)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "jaga.backup") in done.stdout
    assert count(home, Message.id) == 0


def test_a_keyring_that_is_not_there_is_said(folder: Path) -> None:
    done = jaga(folder, "home", "remember", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring", **OPEN)
    assert done.returncode == 2
    assert "no keyring" in done.stderr
    assert "JAGA_PASSPHRASE_FILE" in done.stderr


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    done = jaga(tmp_path, "home", "--no-browser", "--certificate", "x.pem")
    assert done.returncode == 2
    assert "--key" in done.stderr
    done = jaga(tmp_path, "home", "--no-browser", "--lan", "--certificate", tmp_path / "x.pem", "--key", tmp_path / "y")
    assert done.returncode == 2
    assert "certificate" in done.stderr


# ------------------------------------------------------------ doctor


def findings(folder: Path, **more: str) -> dict[str, dict[str, str]]:
    done = jaga(folder, "doctor", "--json", **more)
    document = json.loads(done.stdout)
    assert document["well"] == (done.returncode == 0)
    assert done.returncode in (0, 1)
    return {one["name"]: one for one in document["findings"]}


def test_the_doctor_of_an_empty_machine_changes_nothing(tmp_path: Path) -> None:
    found = findings(tmp_path / "nowhere")
    assert found["folder"]["state"] == "unknown"
    assert not (tmp_path / "nowhere").exists()


def test_the_doctor_looks_at_what_is_kept(folder: Path, tmp_path: Path) -> None:
    assert findings(folder)["store"]["state"] == "unknown"
    found = findings(folder, **OPEN)
    assert {name: one["state"] for name, one in found.items()} == {
        "version": "ok",
        "packages": "ok",
        "clock": "ok",
        "folder": "ok",
        "space": found["space"]["state"],
        "server": "warn",
        "store": "ok",
        "audit": "ok",
        "backup": "warn",
        "channels": "warn",
    }
    jaga(folder, "home", "backup", tmp_path / "jaga.backup", **OPEN)
    assert findings(folder, **OPEN)["backup"]["state"] == "ok"


def test_the_doctor_finds_what_is_wrong(folder: Path, home: Household) -> None:
    home.channel("ntfy://x", name="Telefon ibu")
    with home.store.session() as session:
        session.execute(sa.text("UPDATE channels SET problem = 'the service cannot be reached'"))
        session.add(
            Watched(child=home.child, path="/media/stick", every_s=60, known={}, problem="the folder is not there")
        )
    folder.chmod(0o755)
    found = findings(folder, **OPEN)
    assert found["folder"]["state"] == "warn"
    assert found["channels"]["what"] == "Telefon ibu: the service cannot be reached"
    assert found["folders"]["what"] == "/media/stick: the folder is not there"
    assert findings(folder, JAGA_PASSPHRASE="not this one, surely")["store"]["state"] == "fail"


def test_the_doctor_sees_that_somebody_changed_the_record(folder: Path, home: Household) -> None:
    with home.store.session() as session:
        from jaga.store import audit

        audit(session, "alert.seen", at=home.clock(), family=home.family)
    with home.store.engine.begin() as connection:
        for (name,) in connection.execute(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'")
        ).all():
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.update(AuditLine).values(what="nothing"))
    done = jaga(folder, "doctor", **OPEN)
    assert done.returncode == 1
    assert "was changed at line 1" in done.stdout


def test_the_doctor_sees_a_damaged_page(folder: Path, home: Household) -> None:
    home.store.close()
    path = folder / "jaga.db"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    done = jaga(folder, "doctor", **OPEN)
    assert done.returncode == 1
    assert "✗" in done.stdout
