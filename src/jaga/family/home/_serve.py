"""Serving the family's pages: one address, one process, and a worker behind them."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import uvicorn

from jaga.errors import StoreError, UsageError
from jaga.family.home._app import create_app
from jaga.family.home._house import House
from jaga.family.home._instance import only_one
from jaga.family.home._tls import Certificate, certificate, read_certificate
from jaga.family.home._worker import Worker

__all__ = ["Address", "address_of", "serve"]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. `tls`: None for this machine alone. `names`: what it is called there, besides this machine's own names."""

    host: str
    port: int
    tls: Certificate | None
    names: tuple[str, ...]

    @property
    def url(self) -> str:
        """For a browser on this machine: by name where it has one, for a passkey belongs to a name."""
        own = self.host in ("0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104
        host = "localhost" if own else f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}/"

    @property
    def home_url(self) -> str:
        """For a phone at home, as far as it can reach it."""
        if self.host not in ("0.0.0.0", "::") or not self.names:  # noqa: S104
            return self.url
        return f"{'http' if self.tls is None else 'https'}://{self.names[0]}:{self.port}/"


def address_of(
    folder: Path,
    host: str | None,
    port: int,
    *,
    lan: bool,
    names: Sequence[str] = (),
    given: tuple[Path, Path] | None = None,
) -> Address:
    """The address to listen at. `names`: further host names; `given`: certificate and key, if the household has its own.

    Raises: UsageError, for an address others can reach without `lan` being asked for, or a certificate that is none; StoreError, if none
    can be made.
    """
    host = host or ("0.0.0.0" if lan else "127.0.0.1")  # noqa: S104
    try:
        tls = None if given is None else read_certificate(*given)
    except (OSError, ValueError) as error:
        raise UsageError(f"the certificate cannot be read: {error}", where="--certificate") from error
    if _is_own(host):
        return Address(host=host, port=port, tls=tls, names=tuple(names))
    if not lan:
        raise UsageError(
            "this address can be reached by others",
            where=f"--host {host}",
            remedy="add --lan if everyone at home may reach the log-in page; it is encrypted then",
        )
    # Those that were asked for first: the first one is what notifications link to.
    known = tuple(dict.fromkeys([*names, *_names_here(host)]))
    if tls is None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot make the folder: {error.strerror}", where=str(folder)) from error
        tls = certificate(folder, [*known, "localhost", "127.0.0.1"])
    return Address(host=host, port=port, tls=tls, names=known)


def serve(house: House, address: Address, *, started: Callable[[str], None], opens: bool = False) -> None:
    """Serve until the process is asked to end (SIGTERM, Ctrl-C). `started` hears the address once somebody answers there.

    `opens`: show it in the browser of this machine. Raises: UsageError, if the household or the port is taken; StoreError.
    """
    listening = _listen(address)
    address = msgspec.structs.replace(address, port=listening.getsockname()[1])
    house.address = address.home_url
    house.hosts = frozenset({*house.hosts, *(name.casefold() for name in address.names)})
    with listening, only_one(house.folder, address.url):
        _log_without_words()
        config = uvicorn.Config(
            create_app(house),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Nobody stands between: an address told by a header is a lie.
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
            ssl_certfile=None if address.tls is None else str(address.tls.cert),
            ssl_keyfile=None if address.tls is None else str(address.tls.key),
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


class _WithoutWords(logging.Formatter):
    """What failed and where, without what an error says of its own: that may be a message or a name, and logs are not encrypted."""

    def formatException(self, ei: Any) -> str:
        kind, _, trace = ei
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
        return f"{getattr(kind, '__name__', kind)} at {' > '.join(places[-8:])}"


def _log_without_words() -> None:
    """To standard error. With JAGA_DEBUG set, everything, for whoever looks for a fault on invented data."""
    handler = logging.StreamHandler()
    handler.setFormatter((logging.Formatter if os.environ.get("JAGA_DEBUG") else _WithoutWords)("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


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
    """What this machine is called in the home network: its address, then its name."""
    name = socket.gethostname()
    # Some systems allow a name that no certificate can hold.
    known = name.isascii() and name.replace("-", "").replace(".", "").isalnum()
    names = [] if not known else [name] if "." in name else [f"{name}.local", name]
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return [host, *names]
    # No packet is sent by this: the system only says which of its addresses it would use.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return names
        return [str(probe.getsockname()[0]), *names]
