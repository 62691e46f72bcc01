"""A house behind a real server, for a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from jaga.family.home import House, create_app

__all__ = ["serving"]


@contextmanager
def serving(house: House) -> Iterator[int]:
    """The port it answers at on this machine."""
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        house.close()
