"""A mail server and a server that answers like ntfy, each a process of its own: `python servers.py smtp|ntfy FOLDER [PORT]`.

What arrives is written into the folder, one file each, whole before it has its name. A file called `refuse` there makes the server
answer 503 (mail: 451); one called `hang` makes it take its time. The first line on standard output is the port.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USER, PASSWORD = "siti", "rahsia-kuat-42"


class Server:
    """A running server. `kill` it and `start` it again at the same port."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, __file__, self.kind, str(self.folder), str(self.port)], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def refuse(self, on: bool = True) -> None:
        if on:
            (self.folder / "refuse").touch()
        else:
            (self.folder / "refuse").unlink()

    def url(self, *, password: str = PASSWORD) -> str:
        """The address for Apprise."""
        if self.kind == "ntfy":
            return f"ntfy://{USER}:{password}@127.0.0.1:{self.port}/keluarga?retry=0"
        return (
            f"mailto://{USER}:{password}@127.0.0.1:{self.port}/?from=jaga@example.org&to=ibu@example.org&mode=insecure"
        )

    def arrived(self) -> list[tuple[str, str]]:
        """(title, body) of everything that was taken, in order."""
        return [(one["title"], one["body"]) for one in self.raw()]

    def raw(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]

    def wait(self, count: int, longest_s: float = 30) -> list[tuple[str, str]]:
        until = time.monotonic() + longest_s
        while len(self.arrived()) < count:
            assert time.monotonic() < until, f"{len(self.arrived())} of {count} arrived"
            time.sleep(0.05)
        return self.arrived()


@contextlib.contextmanager
def running(kind: str, folder: Path) -> Iterator[Server]:
    server = Server(kind, folder).start()
    try:
        yield server
    finally:
        server.kill()


def _keep(folder: Path, title: str, body: str, whole: str) -> None:
    name = f"{time.time_ns()}.json"
    (folder / f".{name}").write_text(json.dumps({"title": title, "body": body, "whole": whole}))
    os.replace(folder / f".{name}", folder / name)


class _Ntfy(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        if (self.folder / "hang").exists():
            time.sleep(20)
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if (self.folder / "refuse").exists():
            status = 503
        elif self.headers["authorization"] != expected:
            status = 401
        else:
            status = 200
            asked = json.loads(raw)
            _keep(self.folder, asked["title"], asked["message"], str(self.headers) + raw.decode())
        answer = b"{}"
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _ntfy(folder: Path, port: int) -> None:
    _Ntfy.folder = folder
    server = ThreadingHTTPServer(("127.0.0.1", port), _Ntfy)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def _smtp(folder: Path, port: int) -> None:
    import asyncio

    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

    class Keeping:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            if (folder / "refuse").exists():
                return "451 later, please"
            content = envelope.content
            assert isinstance(content, bytes)
            found = email.message_from_bytes(content, policy=email.policy.default)
            body = found.get_body(("plain",))
            assert body is not None
            _keep(folder, str(found["subject"]), body.get_content().strip(), content.decode())
            return "250 OK"

    def right(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=good)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(Keeping(), authenticator=right, auth_require_tls=False, loop=loop), "127.0.0.1", port
        )
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    {"smtp": _smtp, "ntfy": _ntfy}[sys.argv[1]](Path(sys.argv[2]), int((sys.argv[3:] or ["0"])[0]))
