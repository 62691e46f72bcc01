"""Serving the family's pages: one address, one process, and a worker behind them."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
import uvicorn
from starlette.concurrency import run_in_threadpool

from jaga.errors import UsageError
from jaga.family.home._app import create_app
from jaga.family.home._house import House
from jaga.family.home._instance import only_one
from jaga.family.home._tls import certificate
from jaga.family.home._worker import Worker
from jaga.store import settings_of
from jaga.store._tables import Family

__all__ = ["Address", "address_of", "serve"]

_Asgi = Callable[..., Any]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. `tls`: certificate and key, or None for this machine alone."""

    host: str
    port: int
    tls: tuple[Path, Path] | None

    @property
    def url(self) -> str:
        """For a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        shown = f"[{host}]" if ":" in host else host
        return f"{'http' if self.tls is None else 'https'}://{shown}:{self.port}/"


def address_of(
    folder: Path, host: str | None, port: int, *, lan: bool, given: tuple[Path, Path] | None = None
) -> Address:
    """The address to listen at. `given`: certificate and key, if the household has its own.

    Raises: UsageError, for an address others can reach without `lan` being asked for; StoreError, if no certificate can be made.
    """
    host = host or ("0.0.0.0" if lan else "127.0.0.1")  # noqa: S104
    if not _is_own(host):
        if not lan:
            raise UsageError(
                "this address can be reached by others",
                where=f"--host {host}",
                remedy="add --lan if everyone at home may reach the log-in page; it is encrypted then",
            )
        return Address(host=host, port=port, tls=given or certificate(folder, _names_here(host)))
    return Address(host=host, port=port, tls=given)


def serve(house: House, address: Address, *, started: Callable[[str], None], opens: bool = False) -> None:
    """Serve until the process is asked to end (SIGTERM, Ctrl-C). `started` hears the address once somebody answers there.

    `opens`: show it in the browser of this machine. Raises: UsageError, if the household or the port is taken; StoreError.
    """
    listening = _listen(address)
    address = msgspec.structs.replace(address, port=listening.getsockname()[1])
    house.address = address.url
    with listening, only_one(house.folder, address.url):
        app: _Asgi = _OwnHosts(create_app(house), house)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Nobody stands between: an address told by a header is a lie.
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
            ssl_certfile=None if address.tls is None else str(address.tls[0]),
            ssl_keyfile=None if address.tls is None else str(address.tls[1]),
        )
        server = uvicorn.Server(config)
        worker = Worker(house)
        threading.Thread(target=_tell, args=(server, address.url, started, opens), daemon=True).start()
        before = signal.signal(signal.SIGTERM, _leave)
        try:
            worker.start()
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            # From here on nothing may interrupt the clearing up.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            worker.stop()
            house.close()
            signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        # On Windows, reusing an address would let two programs have it.
        return socket.create_server((address.host, address.port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(
            f"cannot listen there: {error.strerror}",
            where=f"{address.host}:{address.port}",
            remedy="choose another one with --port",
        ) from error


def _tell(server: uvicorn.Server, url: str, started: Callable[[str], None], opens: bool) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.05)
    started(url)
    if opens and _has_screen():
        import webbrowser

        webbrowser.open(url)


def _has_screen() -> bool:
    # Without one, a browser for text would take the terminal.
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _is_own(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_here(host: str) -> list[str]:
    """Names and addresses of this machine in the home network."""
    name = socket.gethostname()
    names = ["localhost", "127.0.0.1", name]
    if "." not in name:
        names.append(f"{name}.local")
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return [*dict.fromkeys([*names, host])]
    # No packet is sent by this: the system only says which of its addresses it would use.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            names.append(probe.getsockname()[0])
        except OSError:
            pass
    return [*dict.fromkeys(names)]


class _OwnHosts:
    """Answers only to this house's own names.

    A page elsewhere may let its own name point to this machine and so read what is answered (DNS rebinding); it cannot do so with an
    address in numbers, nor with our names.
    """

    def __init__(self, app: _Asgi, house: House) -> None:
        self._app = app
        self._house = house
        self._names = {name.lower() for name in _names_here("127.0.0.1")}

    async def __call__(self, scope: dict[str, Any], receive: _Asgi, send: _Asgi) -> None:
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            name = host if host.endswith("]") else host.rsplit(":", 1)[0]
            if not self._is_ours(name) and not await run_in_threadpool(self._is_set, name):
                await send(
                    {"type": "http.response.start", "status": 421, "headers": [(b"content-type", b"text/plain")]}
                )
                await send({"type": "http.response.body", "body": b"This is not an address of this house."})
                return
        await self._app(scope, receive, send)

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _is_set(self, name: str) -> bool:
        """Whether a family said that its pages are reached under this name."""
        if self._house.state != "open":
            return False
        with self._house.store.session(read_only=True) as session:
            addresses = [settings_of(family).address for family in session.scalars(sa.select(Family))]
        return any(urlsplit(address).hostname == name for address in addresses if address)
