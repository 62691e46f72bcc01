from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.family.notify.household import Clock, Household


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path, clock: Clock) -> Iterator[Household]:
    household = Household(tmp_path / "home", clock)
    yield household
    household.store.close()
