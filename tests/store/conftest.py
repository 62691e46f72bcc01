"""The same tests on both databases: `home` makes stores, SQLCipher files or databases of a PostgreSQL server."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from jaga.sources import gather
from jaga.store import _ingest
from tests.store import _server
from tests.store.house import Home

_names = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a server; `{name}` in it stands for a database."""
    programs = _server.binaries()
    if programs is None:
        pytest.skip("NOT TESTED ON POSTGRESQL: no server is installed (tools/get-postgres brings one)")
    with _server.running(programs) as url:
        yield url


@pytest.fixture(params=["sqlcipher", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A family with a child who was told, on each of the databases."""
    urls = itertools.repeat(None)
    if request.param == "postgresql":
        server: str = request.getfixturevalue("postgresql")
        urls = (_database(server) for _ in itertools.count())  # type: ignore[assignment]
    home = Home(tmp_path, urls)
    try:
        yield home
    finally:
        home.close()


@pytest.fixture
def cipher_home(tmp_path: Path) -> Iterator[Home]:
    """As `home`, for what only concerns the file."""
    home = Home(tmp_path, itertools.repeat(None))
    try:
        yield home
    finally:
        home.close()


def _database(server: str) -> str:
    name = f"jaga{next(_names)}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
    return server.format(name=name)


@pytest.fixture(autouse=True)
def _in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process: a worker for each of the small files would take most of the time. `isolated` marks who wants one."""
    if "isolated" not in request.keywords:
        monkeypatch.setattr(_ingest, "gather", functools.partial(gather, isolated=False))
