"""In front of the media server: who asks, how often, how long it took, and nothing of what was asked.

Pure ASGI, since it stands before every look-up. What it writes down holds methods, routes, codes, times and names of keys: never a query, a hash,
a file's name or its bytes.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaga.media.banks import BankStore, Key, acting

__all__ = ["Guard", "Metrics"]

# A key that was revoked by another process opens nothing after at most so long.
_FRESH_S = 2.0
_OPEN = ("/status", "/status/live", "/site-map", "/openapi/openapi.json")
# Tokens that a quiet key saves up, in seconds of its rate.
_BURST_S = 2.0


class Metrics:
    """Counts for Prometheus (exposition format 0.0.4). `shared`: of several processes, through files in PROMETHEUS_MULTIPROC_DIR."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._registry = CollectorRegistry()
        given: Any = {"registry": self._registry}
        self.requests = Counter("jaga_requests", "Requests answered.", ["method", "route", "code"], **given)
        self.seconds = Histogram(
            "jaga_request_seconds",
            "Time to an answer.",
            ["route"],
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0),
            **given,
        )
        self.refused = Counter("jaga_refused", "Requests without a fitting key, or too many.", ["reason"], **given)
        self.matches = Counter("jaga_matches", "Look-ups that found something.", **given)
        self.hashes = Gauge("jaga_index_hashes", "PDQ hashes in the index.", multiprocess_mode="max", **given)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at = tokens, at


class Guard:
    """Lets a request through if its key allows it. Without any key in the store, whoever reaches the server may ask.

    `log`: write a JSON line for each request on stderr. `largest_body`: bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: BankStore,
        metrics: Metrics,
        largest_body: int,
        needs_key: bool = False,
        log: bool = False,
    ) -> None:
        self._app = app
        self._store = store
        self._metrics = metrics
        self._largest_body = largest_body
        self._needs_key = needs_key
        self._log = log
        self._lock = threading.Lock()
        self._known: dict[str, Key | None] = {}
        self._any_key = needs_key
        self._looked_at = float("-inf")
        self._buckets: dict[str, _Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        key: Key | None = None

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            headers = dict(scope["headers"])
            refusal = self._too_long(headers)
            if refusal is None:
                key, refusal = self._allowed(scope, headers)
            if refusal is not None:
                await refusal(scope, receive, noted)
            elif scope["path"] == "/metrics" and scope["method"] == "GET":
                answer = Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)
                await answer(scope, receive, noted)
            elif key is None:
                await self._app(scope, receive, noted)
            else:
                token = acting.set(key.name)
                try:
                    await self._app(scope, receive, noted)
                finally:
                    acting.reset(token)
        finally:
            took = time.perf_counter() - began
            # The pattern, not the path: names of banks would each become a count of their own.
            route = getattr(scope.get("route"), "path", None) or (
                "/metrics" if scope["path"] == "/metrics" else "other"
            )
            self._metrics.requests.labels(
                scope["method"] if scope["method"] in _METHODS else "other", route, status
            ).inc()
            self._metrics.seconds.labels(route).observe(took)
            if self._log:
                line = {
                    "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "method": scope["method"],
                    "route": route,
                    "code": status,
                    "ms": round(took * 1000, 2),
                    "key": None if key is None else key.name,
                }
                print(json.dumps(line), file=sys.stderr, flush=True)

    def _too_long(self, headers: dict[bytes, bytes]) -> Response | None:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or b"transfer-encoding" in headers:
            return JSONResponse({"message": "say how long the body is"}, 411)
        if int(length) > self._largest_body:
            return JSONResponse({"message": f"at most {self._largest_body:,} bytes"}, 413)
        return None

    def _allowed(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Key | None, Response | None]:
        path, method = scope["path"], scope["method"]
        if path in _OPEN:
            return None, None
        if b"origin" in headers:
            # No page in a browser has business here, and one from elsewhere must not use the browser's way to this machine.
            self._metrics.refused.labels("origin").inc()
            return None, JSONResponse({"message": "not for web pages"}, 403)
        self._refresh()
        if not self._any_key:
            return None, None
        token = _token(headers)
        key = self._key(token) if token else None
        if key is None:
            self._metrics.refused.labels("key").inc()
            answer = JSONResponse({"message": "a key is needed"}, 401, {"www-authenticate": "Bearer"})
            return None, answer
        wanted = (
            "metrics" if path == "/metrics" else "curate" if path.startswith("/c/") and method != "GET" else "match"
        )
        if wanted not in key.scopes:
            self._metrics.refused.labels("scope").inc()
            return key, JSONResponse({"message": f"this key is not for {wanted}"}, 403)
        wait = self._wait(key)
        if wait > 0:
            self._metrics.refused.labels("rate").inc()
            answer = JSONResponse({"message": "too many requests"}, 429, {"retry-after": str(max(1, round(wait)))})
            return key, answer
        return key, None

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _FRESH_S:
            return
        with self._lock:
            if now - self._looked_at >= _FRESH_S:
                self._any_key = self._needs_key or any(one.revoked_at is None for one in self._store.every_key())
                self._known.clear()
                self._looked_at = now

    def _key(self, token: str) -> Key | None:
        if token not in self._known:
            # Guesses must not fill the memory.
            if len(self._known) > 1000:
                self._known.clear()
            self._known[token] = self._store.key_of(token)
        return self._known[token]

    def _wait(self, key: Key) -> float:
        """Seconds until the next request of this key is allowed; 0 if it is now (a token bucket)."""
        if key.per_second is None:
            return 0.0
        most = max(1.0, key.per_second * _BURST_S)
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(key.name, _Bucket(most, now))
            bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * key.per_second)
            bucket.at = now
            if bucket.tokens >= 1.0:
                bucket.tokens -= 1.0
                return 0.0
            return (1.0 - bucket.tokens) / key.per_second


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE"))


def _token(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"authorization", b"").decode("latin-1")
    kind, _, token = given.partition(" ")
    return token.strip() if kind.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1").strip()
