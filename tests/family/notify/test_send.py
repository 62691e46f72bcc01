"""Real messages to a real mail server and to one that answers like ntfy, each a process of its own."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaga.errors import UsageError
from jaga.family.notify import Message, check_address, masked, send
from tests.family.notify.servers import PASSWORD, Server, running


@pytest.fixture(scope="module")
def ntfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("ntfy", tmp_path_factory.mktemp("ntfy")) as server:
        yield server


@pytest.fixture(scope="module")
def smtp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("smtp", tmp_path_factory.mktemp("smtp")) as server:
        yield server


def message(url: str) -> Message:
    return Message(url=url, title="Jaga ada sesuatu untuk anda", body="காவல் 守护: http://127.0.0.1:8787/")


@pytest.mark.parametrize("kind", ["ntfy", "smtp"])
def test_a_message_arrives_as_it_is_and_brings_nothing_from_elsewhere(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    before = len(server.raw())
    assert send(message(server.url())) is None
    (arrived,) = server.raw()[before:]
    assert (arrived["title"], arrived["body"]) == ("Jaga ada sesuatu untuk anda", "காவல் 守护: http://127.0.0.1:8787/")
    whole = arrived["whole"].lower()
    assert "apprise" not in whole
    assert "github" not in whole


@pytest.mark.parametrize("kind", ["ntfy", "smtp"])
def test_a_service_that_is_not_there_is_said_to_be(kind: str, tmp_path: Path) -> None:
    server = Server(kind, tmp_path).start()
    server.kill()
    assert send(message(server.url())) == "the service cannot be reached"


def test_refusals_are_told_apart(ntfy: Server) -> None:
    assert send(message(ntfy.url(password="wrong"))) == (
        "the service does not accept the name, password or key (code 401)"
    )
    ntfy.refuse()
    try:
        assert send(message(ntfy.url())) == "the service did not take the message (code 503)"
    finally:
        ntfy.refuse(False)


def test_a_service_that_hangs_is_left_after_a_while(ntfy: Server) -> None:
    (ntfy.folder / "hang").touch()
    try:
        assert send(message(ntfy.url()), longest_s=2) == "the service gave no answer in time"
    finally:
        (ntfy.folder / "hang").unlink()


@pytest.mark.parametrize("url", ["nonsense://siti:rahsia-kuat-42@host/x", "", "   ", "siti:rahsia-kuat-42"])
def test_an_address_nobody_knows_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_address(url)
    assert PASSWORD not in str(raised.value)
    check_address("mailtos://siti:rahsia@example.org")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailtos://siti:rahsia@example.org", "mailtos://…"),
        ("TGRAM://123:abc/456", "tgram://…"),
        ("siti-rahsia", "…"),
        ("", "…"),
    ],
)
def test_of_an_address_only_the_kind_is_shown(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_the_password_is_in_no_log_no_error_and_on_no_command_line(
    ntfy: Server, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    run = subprocess.Popen

    def spy(command: list[str], **rest: object) -> object:
        started.append(command)
        environment = rest["env"]
        assert isinstance(environment, dict)
        assert "JAGA_PASSPHRASE" not in environment
        return run(command, **rest)  # type: ignore[call-overload]

    monkeypatch.setenv("JAGA_PASSPHRASE", "empat perkataan yang panjang")
    monkeypatch.setattr(subprocess, "Popen", spy)
    with caplog.at_level(logging.DEBUG):
        problem = send(message(ntfy.url(password=PASSWORD + "x")))
    out, err = capfd.readouterr()
    said = " ".join([str(problem), out, err, caplog.text, *(part for command in started for part in command)])
    assert started
    assert PASSWORD not in said


def test_what_jaga_loads_at_its_start_does_not_hold_apprise() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, jaga.family.home, jaga.family.notify; print(sorted({'apprise', 'requests', 'keyring'} & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"
