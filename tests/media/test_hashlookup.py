"""A hashlookup server is asked only in the ways its owner allows, and is not believed more than it was asked. Against a local server."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jaga.errors import ServiceError, UsageError
from jaga.media.hashlookup import CIRCL, Hashlookup
from tests.cli.conftest import jaga  # noqa: F401 - a fixture

KNOWN = hashlib.sha1(b"published").digest()
OTHER = hashlib.sha1(b"private").digest()


class Server(ThreadingHTTPServer):
    asked: list[Any]
    answer: tuple[int, bytes] | None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        known = {
            "SHA-1": KNOWN.hex().upper(),
            "MD5": "0" * 32,
            "FileName": "readme\x1b[2J.txt",
            "source": "NSRL",
            "KnownMalicious": "somebody",
        }
        found = [known] if KNOWN.hex().upper() in body["hashes"] else []
        # What nobody asked for, and what is no answer at all.
        stray: list[Any] = [{"SHA-1": "F" * 40, "FileName": "stray"}, "text", {"SHA-1": 5}]
        status, raw = self.server.answer or (200, json.dumps(found + stray).encode())
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as one:
        one.asked, one.answer = [], None
        thread = threading.Thread(target=one.serve_forever, args=(0.05,))
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_what_is_published_is_told_and_nothing_else(server: Server) -> None:
    (one,) = Hashlookup(f"{address(server)}/").known([KNOWN, OTHER, KNOWN])
    assert (one.sha1, one.name, one.source) == (KNOWN.hex(), "readme\ufffd[2J.txt", "NSRL")
    assert one.malicious == "somebody"
    assert server.asked == [("/bulk/sha1", {"hashes": sorted([KNOWN.hex().upper(), OTHER.hex().upper()])})]


def test_many_are_asked_in_parts(server: Server) -> None:
    every = [hashlib.sha1(str(number).encode()).digest() for number in range(1_201)]
    assert list(Hashlookup(address(server)).known(every)) == []
    assert [len(body["hashes"]) for _, body in server.asked] == [500, 500, 201]


def test_nothing_known_is_no_error(server: Server) -> None:
    server.answer = (404, b'{"message": "none"}')
    assert list(Hashlookup(address(server)).known([KNOWN])) == []


@pytest.mark.parametrize(
    "answer", [(500, b""), (302, b""), (200, b"<html>"), (200, b"{}"), (200, b"\xff"), (429, b"[]")]
)
def test_a_server_that_fails_is_named(server: Server, answer: tuple[int, bytes]) -> None:
    server.answer = answer
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1"):
        list(Hashlookup(address(server)).known([KNOWN]))


def test_nobody_there_is_said() -> None:
    with pytest.raises(ServiceError, match="cannot be reached"):
        list(Hashlookup("http://127.0.0.1:9").known([KNOWN]))


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "http://hashlookup.example.org", "hashlookup.circl.lu", "http://"]
)
def test_hashes_never_travel_in_the_open(url: str) -> None:
    with pytest.raises(UsageError):
        Hashlookup(url)
    assert Hashlookup(CIRCL).url == CIRCL


def test_the_command_sends_hashes_only_and_says_what_is_published(server: Server, tmp_path: Path, jaga: Any) -> None:  # noqa: F811
    (tmp_path / "a.txt").write_bytes(b"published")
    (tmp_path / "b.txt").write_bytes(b"private")
    done = jaga("media", "hashlookup", tmp_path, "--url", address(server))
    assert done.code == 0
    (line,) = done.out.splitlines()
    assert line.startswith(f"{tmp_path / 'a.txt'}: published as readme")
    assert "called malicious by somebody" in line
    assert "\x1b" not in line
    assert json.dumps(server.asked).count("private") == 0
    document = json.loads(jaga("media", "hashlookup", tmp_path, "--url", address(server), "--json").out)
    assert [one["known"] is not None for one in document["files"]] == [True, False]
