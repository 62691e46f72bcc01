"""Every address and form with values that nobody thought of (schemathesis on the app's own description): never a fault of ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, start_session
from jaga.store._tables import Session
from tests.family.home.house import Clock, a_house, person_id

with warnings.catch_warnings():
    # Its own; not ours to mend.
    warnings.simplefilter("ignore")
    import schemathesis

# These send to addresses elsewhere, or wait for a process; they have tests of their own.
_ELSEWHERE = r"/trial$|^/settings/channels$|^/setup/channels$"
# The cheapest that still meets every kind of value; more with JAGA_EXAMPLES.
_SHORT = settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def _description() -> dict[str, Any]:
    from pathlib import Path

    return create_app(House(Path("/nowhere")), openapi=True).openapi()


surface = schemathesis.openapi.from_dict(_description()).exclude(path_regex=_ELSEWHERE)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = a_house(tmp_path_factory.mktemp("surface"), clock=Clock())
    yield house
    house.close()


@pytest.fixture(scope="module")
def browser(house: House) -> TestClient:
    return TestClient(
        create_app(house), base_url="http://127.0.0.1", follow_redirects=False, raise_server_exceptions=False
    )


def entered(house: House, browser: TestClient, name: str) -> str:
    """Log in anew, for what was tried before may have ended the log-in; the token for forms."""
    token = start_session(house, person_id(house, name), None)
    browser.cookies.clear()
    browser.cookies.set(COOKIE, token)
    with house.store.session(read_only=True) as session:
        found = session.scalar(sa.select(Session.csrf).where(Session.token == sha256(token.encode()).digest()))
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Siti", "Aina"])
@surface.parametrize()
@_SHORT
def test_nothing_that_is_sent_makes_a_fault(case: Any, house: House, browser: TestClient, name: str) -> None:
    sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
    headers = {key: value for key, value in dict(sent.pop("headers", {}) or {}).items() if key.lower() != "host"}
    sent.pop("cookies", None)
    if isinstance(sent.get("data"), bytes | str):
        sent["content"] = sent.pop("data")
    headers["x-csrf-token"] = entered(house, browser, name)
    try:
        answer = browser.request(**sent, headers=headers)
    except (UnicodeEncodeError, ValueError):
        # What no browser can put into a header or an address.
        return
    assert answer.status_code < 500, (case.operation.label, sent, answer.text[:500])
    assert "Traceback" not in answer.text
