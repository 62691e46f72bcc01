"""Local stand-ins for NCMEC's hash-sharing API and StopNCII.org, written from what their interfaces are known to be.
They speak HTTP on a real socket, in a thread of the test, which sets what they hold and looks at what they were told.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Peer", "peer"]

_NS = "https://hashsharing.ncmec.org/hashsharing/v2"


class Peer:
    """What the server holds. `fail_after`: pages that are answered before it fails; None: it does not fail."""

    def __init__(self) -> None:
        self.url = ""
        self.entries: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self.page = 2
        self.fail_after: int | None = None
        self.asked: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.refuse = 0


@contextmanager
def peer() -> Iterator[Peer]:
    """A server on a free port of this machine, in a thread."""
    state = Peer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.asked.append(self.path)
            if state.refuse:
                self._answer(state.refuse, b"no", "text/plain")
                return
            if state.fail_after is not None:
                if state.fail_after == 0:
                    # As when a connection breaks in the middle.
                    self.close_connection = True
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\ncut")
                    return
                state.fail_after -= 1
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if parts.path == "/v2/entries":
                self._answer(200, _ncmec(state, query), "application/xml")
            elif parts.path.endswith("/reasons"):
                text = f'<availableFeedbackReasons xmlns="{_NS}"><reason guid="g-1" name="wrong"/></availableFeedbackReasons>'
                body = f'<feedback xmlns="{_NS}">{text}</feedback>'
                self._answer(200, body.encode(), "application/xml")
            elif parts.path == "/FetchHashes":
                self._answer(200, json.dumps(_stopncii(state, query)).encode(), "application/json")
            else:
                self._answer(404, b"", "text/plain")

        def _told(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            state.told.append((f"{self.command} {self.path}", raw.decode()))
            self._answer(200, b"{}", "application/json")

        do_PUT = do_POST = _told

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ncmec(state: Peer, query: dict[str, str]) -> bytes:
    start = int(query.get("start", 0))
    since, until = (query.get(name, "") for name in ("from", "to"))
    window = [one for one in state.entries if since <= _iso(one["at"]) <= until]
    shown = window[start : start + state.page]
    parts = []
    for one in shown:
        tag = ("deletedImage" if one.get("deleted") else "image") if one.get("kind", "image") == "image" else "video"
        prints = "".join(f"<{kind}>{value}</{kind}>" for kind, value in one.get("hashes", {}).items())
        body = (
            ""
            if one.get("deleted")
            else f"<classification>{one.get('class', 'A1')}</classification><fingerprints>{prints}</fingerprints>"
        )
        parts.append(
            f'<{tag}><member id="{one.get("member", 42)}">M</member><timestamp>{_iso(one["at"])}</timestamp><id>{one["id"]}</id>{body}</{tag}>'
        )
    images = "".join(part for part in parts if "mage>" in part)
    videos = "".join(part for part in parts if part.startswith("<video"))
    following = ""
    if start + state.page < len(window):
        link = f"/v2/entries?from={since}&amp;to={until}&amp;start={start + state.page}&amp;size={state.page}&amp;max={len(window)}"
        following = f"<paging><next>{link}</next></paging>"
    latest = f'maxTimestamp="{_iso(max((one["at"] for one in shown), default=0))}"'
    lists = f"<images {latest}>{images}</images><videos {latest}>{videos}</videos>"
    return f'<queryResult xmlns="{_NS}">{lists}{following}</queryResult>'.encode()


def _stopncii(state: Peer, query: dict[str, str]) -> dict[str, Any]:
    start = int(query.get("nextPageToken") or 0)
    wanted = [one for one in state.records if one["lastModtimestamp"] >= int(query["startTimestamp"])]
    shown = wanted[start : start + state.page]
    more = start + state.page < len(wanted)
    return {
        "count": len(shown),
        "nextPageToken": str(start + state.page) if more else None,
        "nextSetTimestamp": max((one["lastModtimestamp"] for one in state.records), default=10),
        "hasMoreRecords": more,
        "hashRecords": shown,
    }


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
