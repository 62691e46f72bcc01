"""The server as a process: how it starts, ends, is killed, and what survives."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.family.home._serve import _WithoutWords
from jaga.store._tables import Alert, AuditLine, Channel, Delivery, Import, Message, Watched
from tests.family.home.process import jaga, serving, until
from tests.family.notify.household import PASSPHRASE, Clock, Household
from tests.family.notify.servers import PASSWORD, running

SAMPLES = Path(__file__).parents[3] / "samples" / "whatsapp"
CHAT = SAMPLES / "WhatsApp Chat with KingRay.txt"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    """A household of now, whose store this process has open beside the server."""
    clock = Clock()
    clock.at = datetime.now(timezone.utc)
    household = Household(tmp_path / "home", clock)
    # Nothing of these tests hangs on the hour at which they run.
    household.settings(quiet_from="00:00", quiet_to="00:00", digest_weekday=None)
    yield household
    household.store.close()


def count(home: Household, column: sa.orm.InstrumentedAttribute[int], *where: sa.ColumnElement[bool]) -> int:
    with home.store.session(read_only=True) as session:
        return session.scalar(sa.select(sa.func.count(column)).where(*where)) or 0


def let_a_minute_pass(home: Household) -> None:
    with home.store.session() as session:
        session.execute(sa.update(Delivery).values(due_at=datetime(2026, 1, 1, tzinfo=timezone.utc)))


def test_it_starts_new_and_ends_by_itself_when_asked(tmp_path: Path) -> None:
    assert jaga(tmp_path / "home", "doctor", "--answers").returncode == 1
    with serving(tmp_path / "home") as server:
        assert server.state() == "new"
        assert jaga(tmp_path / "home", "doctor", "--answers").returncode == 0
        assert server.address.startswith("http://localhost:")
        assert server.end(signal.SIGTERM) == 0
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["jaga.lock"]
    assert server.said == ["Open it in the browser to set it up. Ctrl-C ends Jaga.\n"]


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server:
        assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in "".join(server.said)


def test_it_starts_locked_without_a_passphrase_and_open_with_one(home: Household, tmp_path: Path) -> None:
    folder = home.store.folder
    with serving(folder) as server:
        assert server.state() == "locked"
    with serving(folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
        assert server.state() == "open"
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    with serving(folder, JAGA_PASSPHRASE_FILE=str(secret)) as server:
        assert server.state() == "open"
    (tmp_path / "jaga.passphrase").write_text(PASSPHRASE)
    with serving(folder, CREDENTIALS_DIRECTORY=str(tmp_path)) as server:
        assert server.state() == "open"


def test_a_wrong_passphrase_is_one_clear_line(home: Household) -> None:
    done = jaga(home.store.folder, "home", "--port", "0", "--no-browser", JAGA_PASSPHRASE="not this one, surely")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"jaga: {home.store.folder}/keys.json: the passphrase does not fit\n"


def test_a_second_one_is_refused_and_told_where_the_first_one_is(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        done = jaga(tmp_path, "home", "--port", "0", "--no-browser")
        assert done.returncode == 2
        assert f"{server.address}: Jaga is running already" in done.stderr
        server.end(signal.SIGKILL)
    # The lock went with the process; what it told of itself did not, and is not believed.
    assert (tmp_path / "running.json").exists()
    with serving(tmp_path) as server:
        assert server.state() == "new"


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = jaga(tmp_path, "home", "--no-browser", "--port", port)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}: cannot listen there" in done.stderr
    assert "--port" in done.stderr


def test_others_reach_it_only_when_asked_for_and_encrypted(tmp_path: Path) -> None:
    done = jaga(tmp_path, "home", "--no-browser", "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "--lan" in done.stderr
    with serving(tmp_path, "--lan", "--name", "jaga.rumah") as server:
        port = server.address.rsplit(":", 1)[1].strip("/")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "tls" / "certificate.pem"))
        for name in ("localhost", "127.0.0.1"):
            with urllib.request.urlopen(f"https://{name}:{port}/health", context=trusted) as answer:
                assert json.loads(answer.read()) == {"state": "new"}
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://localhost:{port}/health")
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o077 == 0


def test_a_message_that_could_not_be_delivered_goes_out_after_a_restart(home: Household, tmp_path: Path) -> None:
    with running("ntfy", tmp_path / "ntfy") as ntfy, running("smtp", tmp_path / "smtp") as smtp:
        home.channel(ntfy.url())
        home.channel(smtp.url(), person=home.siti)
        home.alert("urgent")
        ntfy.refuse()
        smtp.kill()
        with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
            until(lambda: count(home, Channel.id, Channel.problem.is_not(None)) == 2)
            server.end(signal.SIGKILL)
        ntfy.refuse(False)
        smtp.start()
        let_a_minute_pass(home)
        with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
            assert ntfy.wait(1)[0][0] == "Jaga has something that needs you"
            smtp.wait(1)
            until(lambda: count(home, Delivery.id, Delivery.sent_at.is_not(None)) == 2)
            assert server.address in ntfy.arrived()[0][1]
            assert server.end() == 0
        assert len(ntfy.arrived()) == len(smtp.arrived()) == 1
        assert count(home, Channel.id, Channel.problem.is_not(None)) == 0
        assert PASSWORD not in "".join(server.said)


def test_killed_in_the_middle_of_sending_it_sends_again(home: Household, tmp_path: Path) -> None:
    with running("ntfy", tmp_path / "ntfy") as ntfy:
        home.channel(ntfy.url())
        home.alert("urgent")
        (ntfy.folder / "hang").touch()
        with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
            until(lambda: count(home, Delivery.id, Delivery.tries == 1) == 1)
            server.end(signal.SIGKILL)
        # The process that was sending goes with the server: nothing is sent behind our back.
        time.sleep(1)
        ntfy.kill()
        (ntfy.folder / "hang").unlink()
        assert ntfy.arrived() == []
        ntfy.start()
        let_a_minute_pass(home)
        with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE):
            ntfy.wait(1)
            until(lambda: count(home, Delivery.id, Delivery.sent_at.is_not(None)) == 1)
        assert len(ntfy.arrived()) == 1


def test_what_is_put_into_a_watched_folder_is_told_by_mail_and_phone(home: Household, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    with home.store.session() as session:
        session.add(Watched(child=home.child, path=str(folder), every_s=5, known={}))
    with running("ntfy", tmp_path / "ntfy") as ntfy, running("smtp", tmp_path / "smtp") as smtp:
        home.channel(ntfy.url())
        home.channel(smtp.url(), person=home.siti)
        with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
            (folder / CHAT.name).write_bytes(CHAT.read_bytes())
            ntfy.wait(1, longest_s=120)
            smtp.wait(1)
            assert server.end() == 0
        arrived = [*ntfy.raw(), *smtp.raw()]
    assert count(home, Alert.id) >= 1
    for one in arrived:
        for name in ("Aina", "KingRay", "Ray", "Siti", "hadiah"):
            assert name not in one["title"] + one["body"]
    assert count(home, Watched.id, Watched.problem.is_(None)) == 1


def test_an_import_that_is_interrupted_goes_on_at_the_next_start(home: Household, tmp_path: Path) -> None:
    # Long enough to be in the middle of.
    lines = [f"0{1 + day % 9}/03/2026, {hour:02}:{minute:02} - {'Aina' if minute % 2 else 'Mei'}: pelajaran {day}.{hour}.{minute}"
             for day in range(9) for hour in range(24) for minute in range(60)]  # fmt: skip
    chat = tmp_path / "WhatsApp Chat with Mei.txt"
    chat.write_text("\n".join(lines) + "\n")
    from jaga.store import queue_import

    number = queue_import(home.store, home.child, chat, chat.name, by=None, uploaded=False, now=home.clock())
    with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
        until(lambda: count(home, Import.id, Import.state == "reading") == 1)
        began = time.monotonic()
        assert server.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 15
    assert count(home, Import.id, Import.state == "done") == 0
    with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
        until(lambda: count(home, Import.id, Import.state == "done") == 1, longest_s=120)
        server.end()
    assert count(home, Message.id) == len(lines)
    with home.store.session(read_only=True) as session:
        assert session.get_one(Import, number).error is None


def test_bringing_in_from_a_terminal_works_while_it_runs(home: Household) -> None:
    with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
        done = jaga(home.store.folder, "home", "import", "--child", "aina", "--json", CHAT, JAGA_PASSPHRASE=PASSPHRASE)
        assert done.returncode in (10, 11), done.stderr
        found = json.loads(done.stdout)
        assert found["new"] == found["read"] > 0
        assert found["alerts"]
        again = jaga(home.store.folder, "home", "import", "--child", "Aina", "--json", CHAT, JAGA_PASSPHRASE=PASSPHRASE)
        assert (again.returncode, json.loads(again.stdout)["new"]) == (0, 0)
        assert server.state() == "open"
        assert server.end() == 0
    assert count(home, AuditLine.id, AuditLine.what == "import.done") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_passphrase_is_on_no_command_line(home: Household) -> None:
    with serving(home.store.folder, JAGA_PASSPHRASE=PASSPHRASE) as server:
        said = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert PASSPHRASE.encode() not in said
        assert os.fsencode(home.store.key.hex()) not in said


def test_names_that_are_not_ours_get_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        asked = urllib.request.Request(f"{server.address}health", headers={"host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(asked)
        assert raised.value.code == 421
        raised.value.close()


def test_a_fault_of_ours_writes_no_words_of_anybody_into_the_log() -> None:
    try:
        raise KeyError("jangan bagitau mak")
    except KeyError:
        found = sys.exc_info()
    record = logging.LogRecord(
        "uvicorn.error", logging.ERROR, __file__, 1, "Exception in ASGI application", None, found
    )
    said = _WithoutWords("%(message)s").format(record)
    assert "jangan" not in said
    assert "KeyError at test_serve.py:" in said


def test_what_a_statement_was_given_stands_in_no_error(home: Household) -> None:
    with pytest.raises(sa.exc.IntegrityError) as raised, home.store.session() as session:
        session.execute(
            sa.text("INSERT INTO messages (id, child, digest) VALUES (1, 1, :words)"), {"words": "jangan bagitau mak"}
        )
    assert "jangan" not in str(raised.value)
