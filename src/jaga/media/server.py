"""A server that speaks the HTTP interface of Meta's Hasher-Matcher-Actioner (HMA), over the banks of a store.

Paths, parameters, shapes and codes follow HMA's own, so that what talks to HMA can talk to this. Where HMA is looser
than it should be, this is stricter: it fetches no URL, and deleting means disabling, for banks only grow here. Once there is a key,
every request needs one.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser

from jaga import __version__
from jaga.errors import JagaError, StoreError, UsageError
from jaga.media import _worker
from jaga.media._guard import Guard, Metrics
from jaga.media._hash_types import FileHash, hash_type
from jaga.media._workers import Workers
from jaga.media.banks import Bank, BankStore, Exchange, Item, Known
from jaga.media.matching import LEAST_QUALITY, VideoIndex, pdq_index
from jaga.media.video import ENOUGH_PERCENT, compared, telling, text_of

__all__ = ["app_from_environment", "create_app"]

# HMA's default.
_LARGEST_BODY = 100 << 20
_NAME = re.compile(r"[A-Z0-9_]+")
_NOTE = 255
_LONGEST_BATCH = 10_000
# What another process added to the store is seen after at most so long.
_FRESH_S = 2.0
# HMA's names of kinds; the rest have their own.
_SIGNALS = {"pdq": "pdq", "video_md5": "md5", "md5": "md5", "sha1": "sha1", "sha256": "sha256", "vpdq": "vpdq"}
# Found by being near, not by being equal.
_NEAR = ("pdq", "vpdq")
_CONTENT = {"photo": ("pdq",), "video": ("video_md5", "vpdq")}


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message


class _Live:
    """The store and an index of its PDQ hashes that follows it."""

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        self.store = BankStore(folder)
        self.metrics = metrics
        self.workers = Workers()
        self._catching_up = threading.Lock()
        self.index, self._reached = pdq_index(self.store)
        self.videos = VideoIndex(self.store)
        self.built_at = self._looked_at = 0.0
        self.reach = 0
        self.shares: dict[str, float] = {}
        # Of the look-ups, how many take part, by signal type: HMA's enabled_ratio.
        self.kind_shares: dict[str, float] = {}
        self.catch_up(now=True)

    def close(self) -> None:
        """End the workers and let go of the store."""
        self.workers.close()
        self.store.close()

    def catch_up(self, *, now: bool = False) -> None:
        """Take in what was added, by this process or another."""
        if not now and not self._stale():
            return
        with self._catching_up:
            for rows in self.store.values("pdq", self._reached):
                hashes = np.frombuffer(b"".join(value for _, value in rows), np.uint8).reshape(-1, 32)
                self.index.add(hashes, [number for number, _ in rows])
                self._reached = rows[-1][0]
            self.videos.follow()
            banks = self.store.banks(counted=False)
            own = hash_type("pdq").threshold_bits
            self.reach = max((own if one.threshold_bits is None else one.threshold_bits for one in banks), default=0)
            self.shares = {one.name: one.share for one in banks}
            self.kind_shares = self.store.setting("signal_types", {})
            self.metrics.hashes.set(len(self.index))
            self._looked_at = time.monotonic()
            self.built_at = time.time()

    def _stale(self) -> bool:
        return time.monotonic() - self._looked_at >= _FRESH_S

    async def find_one(
        self, signal: tuple[str, bytes], banks: list[str] | None, *, idle: bool = False
    ) -> list[tuple[Known, int]]:
        """As `find`, for one. Most pictures are in no bank: that the index tells quicker than a thread takes over."""
        kind, value = signal
        if kind == "pdq" and self.reach <= hash_type("pdq").threshold_bits and not self._stale():
            _, ids, _ = self.index.search(np.frombuffer(value, np.uint8)[None], self.reach)
            if not len(ids):
                return []
        (found,) = await run_in_threadpool(self.find, [signal], banks, idle=idle)
        return found

    def find(
        self, signals: Iterable[tuple[str, bytes]], banks: list[str] | None, *, idle: bool = False
    ) -> list[list[tuple[Known, int]]]:
        """For each (kind, value), what is near enough and how far, nearest first; each item once."""
        self.catch_up()
        wanted = list(signals)
        near = [number for number, (kind, _) in enumerate(wanted) if kind == "pdq"]
        found: list[list[tuple[Known, int]]] = [[] for _ in wanted]
        if near:
            bits = hash_type("pdq").threshold_bits
            queries = np.frombuffer(b"".join(wanted[number][1] for number in near), np.uint8).reshape(-1, 32)
            offsets, ids, distances = self.index.search(queries, self.reach)
            known = self.store.by_id(ids.tolist(), banks, idle=idle) if len(ids) else {}
            for place, number in enumerate(near):
                for at in range(int(offsets[place]), int(offsets[place + 1])):
                    one = known.get(int(ids[at]))
                    if one is not None and distances[at] <= (
                        bits if one.threshold_bits is None else one.threshold_bits
                    ):
                        found[number].append((one, int(distances[at])))
        for number, (kind, value) in enumerate(wanted):
            if kind == "vpdq":
                same = {one: bits for one, _, _, bits in self.videos.find(value)}
                videos = self.store.by_id(same, banks, idle=idle).items()
                found[number] = [(one, same[hash_id]) for hash_id, one in videos]
        exact = [pair for pair in wanted if pair[0] not in _NEAR]
        by_value: dict[tuple[str, bytes], list[Known]] = {}
        for one in self.store.exact(exact, banks, idle=idle) if exact else ():
            by_value.setdefault((one.kind, one.value), []).append(one)
        for number, pair in enumerate(wanted):
            if pair[0] not in _NEAR:
                found[number] = [(one, 0) for one in by_value.get(pair, ())]
        once = [_once(each) for each in found]
        hits = sum(map(bool, once))
        if hits:
            self.metrics.matches.inc(hits)
        return once


def _once(found: list[tuple[Known, int]]) -> list[tuple[Known, int]]:
    items: dict[int, tuple[Known, int]] = {}
    for one, distance in found:
        items.setdefault(one.item, (one, distance))
    return list(items.values())


def create_app(folder: Path, *, needs_key: bool = False, log: bool = False, shared_metrics: bool = False) -> FastAPI:
    """The application, over the banks in `folder` (made if there are none). Raises: StoreError.

    `needs_key`: answer nobody without a key, even while there is none. `log`: a JSON line for each request on stderr.
    """
    live = _Live(folder, Metrics(shared=shared_metrics))
    app = FastAPI(
        title="Jaga media", version=__version__, openapi_url="/openapi/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.live = live
    # Uploads stay in memory, whatever their size: what is hashed here must not come to lie on a disk.
    MultiPartParser.spool_max_size = _LARGEST_BODY + 1

    @app.exception_handler(_Refused)
    async def refused(_: Request, error: _Refused) -> JSONResponse:
        return JSONResponse({"message": error.message}, error.code)

    @app.exception_handler(JagaError)
    async def wrong(_: Request, error: JagaError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 500 if isinstance(error, StoreError) else 400)

    app.add_middleware(
        Guard, store=live.store, metrics=live.metrics, largest_body=_LARGEST_BODY, needs_key=needs_key, log=log
    )
    _status(app, live)
    _hashing(app, live)
    _matching(app, live)
    _curation(app, live)
    _exchanges(app, live)
    return app


def app_from_environment() -> FastAPI:
    """For server processes that are started anew: what `jaga media serve` was told stands in the environment."""
    return create_app(
        Path(os.environ["JAGA_SERVE_STORE"]),
        needs_key=os.environ.get("JAGA_SERVE_NEEDS_KEY") == "1",
        log=os.environ.get("JAGA_SERVE_LOG") == "1",
        shared_metrics="PROMETHEUS_MULTIPROC_DIR" in os.environ,
    )


def _status(app: FastAPI, live: _Live) -> None:
    @app.get("/status", response_class=PlainTextResponse)
    def status() -> str:
        live.catch_up()
        return "I-AM-ALIVE"

    @app.get("/status/live", response_class=PlainTextResponse)
    async def alive() -> str:
        return "I-AM-ALIVE"

    @app.get("/site-map")
    async def site_map() -> list[str]:
        # From the description: how routes are kept inside has changed between versions.
        return sorted(app.openapi()["paths"])


def _hashing(app: FastAPI, live: _Live) -> None:
    @app.get("/h/hash")
    async def hash_url(url: str) -> None:
        raise _Refused(400, "this server fetches no URL: send the file itself by POST")

    @app.post("/h/hash")
    async def hash_file(request: Request) -> dict[str, str]:
        return await _uploaded(request, live)


def _matching(app: FastAPI, live: _Live) -> None:
    @app.get("/m/raw_lookup")
    async def raw_lookup(
        signal: str, signal_type: str, banks: str | None = None, include_distance: str = "false"
    ) -> Any:
        found = await live.find_one(_signal(signal_type, signal), _names(banks), idle=True)
        if include_distance.lower() in ("true", "1", ""):
            return {"matches": [{"bank_content_id": one.item, "distance": str(distance)} for one, distance in found]}
        return {"matches": [one.item for one, _ in found]}

    @app.get("/m/lookup")
    async def lookup(
        signal: str | None = None,
        signal_type: str | None = None,
        url: str | None = None,
        banks: str | None = None,
        seed: str | None = None,
        bypass_coinflip: str = "false",
    ) -> Any:
        if url is not None:
            raise _Refused(400, "this server fetches no URL: send the file itself by POST")
        if signal is None or signal_type is None:
            raise _Refused(400, "signal and signal_type are needed")
        found = await live.find_one(_signal(signal_type, signal), _names(banks))
        return _by_bank(live, found, seed, bypass_coinflip, signal_type)

    @app.post("/m/lookup")
    async def lookup_file(
        request: Request, banks: str | None = None, seed: str | None = None, bypass_coinflip: str = "false"
    ) -> Any:
        signals = await _uploaded(request, live)

        def look() -> Any:
            found = live.find([_signal(kind, value) for kind, value in signals.items()], _names(banks))
            return {
                kind: _by_bank(live, each, seed, bypass_coinflip, kind)
                for kind, each in zip(signals, found, strict=True)
            }

        return await run_in_threadpool(look)

    @app.get("/m/index/status")
    def index_status(signal_type: str | None = None) -> Any:
        live.catch_up()
        names = list(_SIGNALS) if signal_type is None else [signal_type]
        if not set(names) <= set(_SIGNALS):
            raise _Refused(400, f"no signal type {signal_type!r}")
        sizes = {name: len(live.index) if name == "pdq" else live.store.count(_SIGNALS[name]) for name in names}
        return {name: {"present": True, "built_to": int(live.built_at), "size": size} for name, size in sizes.items()}

    @app.post("/m/compare")
    async def compare(pairs: Annotated[dict[str, list[str]], Body()]) -> Any:
        answer = {}
        for kind, pair in pairs.items():
            if len(pair) != 2:
                raise _Refused(400, f"{kind}: two hashes are compared, not {len(pair)}")
            (name, one), (_, other) = (_signal(kind, text) for text in pair)
            if name == "vpdq":
                percents = compared(one, other)
                answer[kind] = [
                    max(percents) >= ENOUGH_PERCENT,
                    {"query_match_percent": percents[0], "compared_match_percent": percents[1]},
                ]
                continue
            distance = (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()
            answer[kind] = [distance <= hash_type(name).threshold_bits, {"distance": distance}]
        return answer

    @app.post("/v1/lookup")
    def many(
        signal_type: Annotated[str, Body()],
        signals: Annotated[list[str], Body()],
        banks: Annotated[list[str] | None, Body()] = None,
    ) -> Response:
        """Jaga's own: up to 10,000 hashes at once; the answer has a list of matches for each."""
        if len(signals) > _LONGEST_BATCH:
            raise _Refused(413, f"at most {_LONGEST_BATCH:,} hashes at once")
        found = live.find([_signal(signal_type, text) for text in signals], banks)
        answer = [
            [
                {
                    "bank": one.bank,
                    "meaning": one.meaning,
                    "item": one.item,
                    "category": one.category,
                    "distance_bits": distance,
                }
                for one, distance in each
            ]
            for each in found
        ]
        return Response(msgspec.json.encode({"schema": 1, "matches": answer}), media_type="application/json")


def _curation(app: FastAPI, live: _Live) -> None:
    store = live.store

    @app.get("/c/banks")
    def banks() -> Any:
        return [_shown(one) for one in store.banks(counted=False)]

    @app.post("/c/banks", status_code=201)
    def bank_create(
        name: Annotated[str, Body()],
        enabled: Annotated[bool, Body()] = True,
        enabled_ratio: Annotated[float, Body(ge=0, le=1)] = 1.0,
    ) -> Any:
        _bank_name(name)
        if any(one.name == name for one in store.banks(counted=False)):
            raise _Refused(403, f"there is a bank named {name} already")
        made = store.create(Bank(name=name, enabled=enabled, share=enabled_ratio))
        live.catch_up(now=True)
        return _shown(made)

    @app.get("/c/bank/{name}")
    def bank(name: str) -> Any:
        return _shown(_bank(store, name))

    @app.put("/c/bank/{name}")
    def bank_change(
        name: str,
        new_name: Annotated[str | None, Body(alias="name")] = None,
        enabled: Annotated[bool | None, Body()] = None,
        enabled_ratio: Annotated[float | None, Body(ge=0, le=1)] = None,
    ) -> Any:
        _bank(store, name)
        if new_name not in (None, name):
            raise _Refused(400, "banks are not renamed here: their history names them")
        given = {"enabled": enabled, "share": enabled_ratio}
        changed = store.change(name, **{key: value for key, value in given.items() if value is not None})
        live.catch_up(now=True)
        return _shown(changed)

    @app.delete("/c/bank/{name}")
    def bank_disable(name: str) -> Any:
        if any(one.name == name for one in store.banks(counted=False)):
            store.change(name, enabled=False)
        return {"message": "Done"}

    def added(name: str, signals: dict[str, str], note: str | None) -> Any:
        _bank(store, name)
        if note is not None and len(note) > _NOTE:
            raise _Refused(400, f"a note has at most {_NOTE} characters")
        if not signals:
            raise _Refused(400, "no signal")
        values = tuple(_signal(kind, text) for kind, text in signals.items())
        result = store.add(name, [Item(hashes=values, note=note, source="server")], source="server")
        live.catch_up(now=True)
        # What the bank had already has the number that it had.
        number = result.first_item if result.first_item is not None else store.exact(values, [name], idle=True)[0].item
        return {"id": number, "signals": signals}

    @app.post("/c/bank/{name}/content")
    async def content_add(request: Request, name: str, note: Annotated[str | None, Query()] = None) -> Any:
        if "url" in request.query_params:
            raise _Refused(400, "this server fetches no URL: send the file itself")
        await run_in_threadpool(_bank, store, name)
        signals = await _uploaded(request, live, worth_keeping=True)
        return await run_in_threadpool(added, name, signals, note)

    @app.post("/c/bank/{name}/signal")
    def signal_add(name: str, signals: Annotated[dict[str, str], Body()]) -> Any:
        note = signals.pop("note", None)
        return added(name, signals, note)

    @app.get("/c/bank/{name}/content/{number}")
    def content(name: str, number: int, include_signals: bool = False) -> Any:
        return _content(store, name, number, signals=include_signals)

    @app.put("/c/bank/{name}/content/{number}")
    def content_change(name: str, number: int, disable_until_ts: Annotated[int, Body(embed=True, ge=0)]) -> Any:
        _content(store, name, number)
        # HMA's 0 is "enabled", 1 is "disabled for good"; between them it names a time, which is not kept here.
        if disable_until_ts > (datetime.now(UTC) + timedelta(days=5 * 366)).timestamp():
            raise _Refused(400, "disable_until_ts is more than five years ahead")
        if disable_until_ts > 1:
            raise _Refused(400, "items are disabled (1) or enabled (0) here, not until a time")
        store.enable(number, disable_until_ts == 0, reason="by the server's interface")
        return _content(store, name, number)

    @app.delete("/c/bank/{name}/content/{number}")
    def content_disable(name: str, number: int) -> Any:
        _content(store, name, number)
        store.enable(number, False, reason="by the server's interface")
        return {"deleted": 1}

    @app.get("/c/signal_type")
    def signal_types() -> Any:
        live.catch_up()
        return {name: {"name": name, "enabled_ratio": live.kind_shares.get(name, 1.0)} for name in _SIGNALS}

    @app.put("/c/signal_type/{name}")
    def signal_type_change(name: str, enabled_ratio: Annotated[float, Body(embed=True, ge=0, le=1)]) -> Any:
        if name not in _SIGNALS:
            raise _Refused(404, f"no signal type {name!r}")
        store.set_setting("signal_types", store.setting("signal_types", {}) | {name: enabled_ratio})
        live.catch_up(now=True)
        return {"name": name, "enabled_ratio": enabled_ratio}

    @app.get("/c/signal_type/index")
    def signal_index() -> Any:
        live.catch_up()
        answer = {}
        for name, kind in _SIGNALS.items():
            stored = store.count(kind)
            size = {"pdq": len(live.index), "vpdq": len(live.videos)}.get(name, stored)
            newest = store.newest(kind) or -1
            answer[name] = {
                "db_size": stored,
                "index_size": size,
                "index_out_of_date": size != stored,
                "newest_db_item": newest,
                "index_built_to": newest if size == stored else -1,
            }
        return answer

    @app.get("/c/content_type")
    async def content_types() -> Any:
        return [{"name": name, "enabled": True} for name in _CONTENT]


def _exchanges(app: FastAPI, live: _Live) -> None:
    """What HMA calls exchanges: banks that follow a source. The library that speaks to them is only loaded when asked for."""
    store = live.store

    def client() -> Any:
        try:
            from jaga.media import exchanges
        except ImportError as error:
            raise _Refused(501, "exchanges need the package threatexchange: pip install 'jaga[media]'") from error
        return exchanges

    def api(name: str) -> Any:
        if name not in client().apis():
            raise _Refused(404, f"no exchange speaks {name!r}")
        return client()

    def following(name: str) -> Exchange:
        for one in store.exchanges():
            if one.name == name:
                return one
        raise _Refused(404, f"no exchange is named {name!r}")

    @app.get("/c/exchanges/apis")
    def apis() -> Any:
        return sorted(client().apis())

    @app.get("/c/exchanges/api/{name}")
    def api_shown(name: str) -> Any:
        found = api(name)
        # HMA's own spelling.
        return {
            "supports_authentification": found.needs(name) is not None,
            "has_set_authentification": found.has_credentials(store, name),
        }

    @app.post("/c/exchanges/api/{name}")
    def api_credentials(name: str, credential_json: Annotated[dict[str, Any], Body(embed=True)]) -> Any:
        api(name).set_credentials(store, name, credential_json)
        return api_shown(name)

    @app.get("/c/exchanges/api/{name}/schema")
    def api_schema(name: str) -> Any:
        found = api(name)
        return {"config_schema": found.schema(name), "credential_schema": found.needs(name)}

    @app.get("/c/exchanges")
    def every() -> Any:
        return [one.name for one in store.exchanges()]

    @app.post("/c/exchanges", status_code=201)
    def follow(
        bank: Annotated[str, Body()],
        api_name: Annotated[str, Body(alias="api")],
        api_json: Annotated[dict[str, Any] | None, Body()] = None,
    ) -> Any:
        _bank_name(bank)
        found = api(api_name)
        if api_name == "local_file":
            # Else whoever may ask over HTTP could have any file of this machine read.
            raise _Refused(403, "files are followed from the command line only: jaga media exchange add")
        found.validated(bank, api_name, api_json or {})
        if any(one.name == bank for one in store.exchanges()):
            raise _Refused(403, f"the bank {bank} follows a source already")
        store.follow(bank, api_name, api_json or {})
        live.catch_up(now=True)
        return {"message": "Created successfully"}

    @app.get("/c/exchange/{name}")
    def shown(name: str) -> Any:
        one = following(name)
        return {"name": one.name, "api": one.api, "enabled": one.enabled, **one.settings}

    @app.put("/c/exchange/{name}")
    def change(name: str, enabled: Annotated[bool, Body(embed=True)]) -> Any:
        following(name)
        store.change_exchange(name, enabled=enabled)
        return shown(name)

    @app.delete("/c/exchange/{name}")
    def remove(name: str) -> Any:
        following(name)
        store.change_exchange(name, removed=True)
        return {"message": "deleted"}

    @app.get("/c/exchange/{name}/status")
    def status(name: str) -> Any:
        one = following(name)
        done = one.ended_at is not None and not one.running
        return {
            "checkpoint_ts": _unix(one.ended_at) if done and one.checkpoint is not None else None,
            "running_fetch_start_ts": _unix(one.started_at) if one.running else None,
            "last_fetch_complete_ts": _unix(one.ended_at),
            "last_fetch_succeeded": None if one.ended_at is None else one.problem is None,
            "up_to_date": done and one.problem is None,
            "fetched_items": one.entries,
        }


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


async def _uploaded(request: Request, live: _Live, *, worth_keeping: bool = False) -> dict[str, str]:
    """Signals of the one file in the form, by signal type; the field's name, or content_type, says photo or video."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _Refused(400, "send one file as multipart/form-data")
    async with request.form(max_files=2, max_fields=20) as form:
        files = [(key, value) for key, value in form.multi_items() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise _Refused(400, f"send one file, not {len(files)}")
        ((field, file),) = files
        content = request.query_params.get("content_type") or field
        if content not in _CONTENT:
            raise _Refused(400, f"no content type {content!r}: name the field photo or video")
        raw = await file.read()
    return await run_in_threadpool(_signals, raw, _CONTENT[content], live, worth_keeping)


def _signals(raw: bytes, names: Iterable[str], live: _Live, worth_keeping: bool) -> dict[str, str]:
    signals = {}
    for name in names:
        kind = hash_type(_SIGNALS[name])
        if isinstance(kind, FileHash):
            hasher = kind.begin()
            hasher.update(raw)
            signals[name] = hasher.digest().hex()
            continue
        answer = live.workers.look(_worker.Request(None, (kind.name,), raw=raw))
        if name == "vpdq":
            # Whatever calls itself a video has an MD5 at least.
            if answer.video is not None and (not worth_keeping or len(telling(answer.video))):
                signals[name] = text_of(answer.video)
            continue
        if not answer.looks:
            raise _Refused(400, answer.problem or "not a picture that can be read")
        value = answer.looks[0].values[0]
        if worth_keeping and (value.quality or 0) < LEAST_QUALITY:
            raise _Refused(400, f"too little to see (quality {value.quality}): it would match every such picture")
        signals[name] = value.value.hex()
    return signals


def _signal(name: str, text: str) -> tuple[str, bytes]:
    if name not in _SIGNALS:
        raise _Refused(400, f"no signal type {name!r}; there are {', '.join(_SIGNALS)}")
    try:
        return _SIGNALS[name], hash_type(_SIGNALS[name]).parse(text)
    except UsageError as error:
        raise _Refused(400, error.what) from error


def _names(banks: str | None) -> list[str] | None:
    return None if banks is None else [name for name in banks.split(",") if name]


def _by_bank(
    live: _Live, found: list[tuple[Known, int]], seed: str | None, bypass: str, kind: str
) -> dict[str, list[dict[str, Any]]]:
    # The same seed draws the same number, so that one picture is asked of the same banks again.
    draw = random.Random(seed).random()  # noqa: S311 - a sample, not a secret
    answer: dict[str, list[dict[str, Any]]] = {}
    if bypass.lower() != "true" and live.kind_shares.get(kind, 1.0) < draw:
        return answer
    for one, distance in found:
        if bypass.lower() == "true" or live.shares.get(one.bank, 0.0) >= draw:
            answer.setdefault(one.bank, []).append({"bank_content_id": one.item, "distance": str(distance)})
    return answer


def _bank_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _Refused(400, "a bank's name has capital letters, digits and _ only")


def _bank(store: BankStore, name: str) -> Bank:
    for one in store.banks(counted=False):
        if one.name == name:
            return one
    raise _Refused(404, f"no bank is named {name!r}")


def _shown(bank: Bank) -> dict[str, Any]:
    return {"name": bank.name, "matching_enabled_ratio": bank.share if bank.enabled else 0.0}


def _content(store: BankStore, name: str, number: int, *, signals: bool = False) -> dict[str, Any]:
    found = store.item(number)
    if found is None or found[0] != name:
        raise _Refused(404, f"bank {name!r} has no content {number}")
    _, item, enabled = found
    answer: dict[str, Any] = {
        "id": number,
        "disable_until_ts": 0 if enabled else 1,
        "original_media_uri": None,
        "bank": _shown(store.bank(name, counted=False)),
        "note": item.note,
    }
    if signals:
        answer["signals"] = {kind: text_of(value) if kind == "vpdq" else value.hex() for kind, value in item.hashes}
    return answer
