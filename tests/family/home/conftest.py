from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, start_session
from jaga.store import Store
from tests.family.home.house import CHEAP
from tests.family.home.household import NOW, Household, fill

Opened = tuple[House, Household, Household]
Client = Callable[[int], TestClient]


def make_house(folder: Path, *, hostile: bool) -> Opened:
    store = Store.create(folder, "correct horse battery", slot="siti", cost=CHEAP)
    ours, theirs = fill(store, hostile=hostile)
    return House(folder, store=store, now=lambda: NOW, cost=CHEAP), ours, theirs


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A household whose words are ordinary, and somebody else's beside it."""
    found = make_house(tmp_path_factory.mktemp("house") / "jaga", hostile=False)
    yield found
    found[0].close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The same with hostile words in every field."""
    found = make_house(tmp_path_factory.mktemp("hostile") / "jaga", hostile=True)
    yield found
    found[0].close()


def log_in(house: House, person: int) -> TestClient:
    client = TestClient(create_app(house), base_url="http://127.0.0.1", follow_redirects=False)
    client.cookies.set(COOKIE, start_session(house, person, None))
    return client


def csrf_of(client: TestClient) -> str:
    """The token that the page's forms send back."""
    text = client.get("/sources").text
    return text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
