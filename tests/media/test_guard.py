"""Who may ask the media server, how often, and what it writes down of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jaga.errors import UsageError
from jaga.media import _guard
from jaga.media.banks import Bank, BankStore, Item
from jaga.media.server import create_app

HASH = "8" * 64


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BankStore]:
    with BankStore(tmp_path) as made:
        made.create(Bank(name="SEEN"))
        made.add("SEEN", [Item(hashes=(("pdq", bytes.fromhex(HASH)),))])
        yield made


@pytest.fixture
def hma(store: BankStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    # What other processes changed is seen at once, not after two seconds.
    monkeypatch.setattr(_guard, "_FRESH_S", 0.0)
    app = create_app(store.folder, log=True)
    with TestClient(app) as client:
        yield client
    app.state.live.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


LOOKUP = f"/m/lookup?signal={HASH}&signal_type=pdq"


def test_without_any_key_this_machine_may_ask(hma: TestClient) -> None:
    assert hma.get(LOOKUP).json().keys() == {"SEEN"}


def test_with_a_key_in_the_store_every_request_needs_one_of_its_scope(hma: TestClient, store: BankStore) -> None:
    match, curate = store.add_key("reader", ["match"]), store.add_key("curator", ["curate"])
    for headers in ({}, bearer("jaga_wrong"), bearer(""), {"authorization": "Basic abc"}, {"authorization": "\xff"}):
        answer = hma.get(LOOKUP, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
        assert answer.status_code == 401
        assert "SEEN" not in answer.text
    assert hma.get(LOOKUP, headers=bearer(match)).status_code == 200
    assert hma.get(LOOKUP, headers={"x-api-key": match}).status_code == 200
    assert hma.get(LOOKUP, headers=bearer(curate)).status_code == 403
    assert hma.get("/c/banks", headers=bearer(match)).status_code == 200
    assert hma.post("/c/banks", json={"name": "NEW"}, headers=bearer(match)).status_code == 403
    assert hma.post("/c/banks", json={"name": "NEW"}, headers=bearer(curate)).status_code == 201
    # The history says who.
    assert store.history("NEW")[0].detail["by"] == "curator"
    assert hma.get("/metrics", headers=bearer(match)).status_code == 403
    for path in ("/status", "/status/live", "/site-map"):
        assert hma.get(path).status_code == 200


def test_a_revoked_key_opens_nothing(hma: TestClient, store: BankStore) -> None:
    token, _ = store.add_key("a", ["match"]), store.add_key("b", ["match"])
    assert hma.get(LOOKUP, headers=bearer(token)).status_code == 200
    store.revoke_key("a")
    assert hma.get(LOOKUP, headers=bearer(token)).status_code == 401
    with pytest.raises(UsageError, match="no key"):
        store.revoke_key("a")
    with pytest.raises(UsageError, match="already"):
        store.add_key("a", ["match"])


def test_a_limit_is_kept_and_says_when_to_come_back(
    hma: TestClient, store: BankStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = store.add_key("slow", ["match"], per_second=2)
    now = 1000.0
    monkeypatch.setattr("jaga.media._guard.time.monotonic", lambda: now)
    codes = [hma.get(LOOKUP, headers=bearer(token)).status_code for _ in range(6)]
    assert codes == [200] * 4 + [429] * 2
    assert hma.get(LOOKUP, headers=bearer(token)).headers["retry-after"] == "1"
    now += 1.0
    codes = [hma.get(LOOKUP, headers=bearer(token)).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_keys_are_kept_as_hashes(store: BankStore) -> None:
    token = store.add_key("a", ["match"])
    for path in store.folder.iterdir():
        assert token.encode() not in path.read_bytes()
    assert store.key_of(token) is not None
    assert store.key_of(token + "x") is None


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_a_key_is_for_something_that_exists(store: BankStore, scopes: list[str]) -> None:
    with pytest.raises(UsageError, match="some of"):
        store.add_key("a", scopes)


def test_web_pages_may_not_ask(hma: TestClient) -> None:
    assert hma.get(LOOKUP, headers={"origin": "https://example.org"}).status_code == 403
    assert hma.post("/c/banks", json={"name": "X"}, headers={"origin": "null"}).status_code == 403


def test_logs_and_metrics_hold_no_contents(hma: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    hma.get(LOOKUP)
    hma.get("/c/bank/SECRETBANK")
    hma.get(f"/nowhere/{HASH}")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [(line["route"], line["code"]) for line in lines] == [
        ("/m/lookup", 200),
        ("/c/bank/{name}", 404),
        ("other", 404),
    ]
    text = hma.get("/metrics").text
    assert 'jaga_requests_total{code="200",method="GET",route="/m/lookup"} 1.0' in text
    assert "jaga_matches_total 1.0" in text
    assert "jaga_index_hashes 1.0" in text
    for secret in (HASH, "SECRETBANK"):
        assert secret not in text
        assert secret not in json.dumps(lines)


def test_a_signal_type_takes_part_in_a_share_of_look_ups(hma: TestClient) -> None:
    assert hma.put("/c/signal_type/pdq", json={"enabled_ratio": 0.0}).json() == {"name": "pdq", "enabled_ratio": 0.0}
    assert hma.get(LOOKUP).json() == {}
    assert hma.get(LOOKUP + "&bypass_coinflip=true").json().keys() == {"SEEN"}
    assert hma.get("/c/signal_type").json()["pdq"]["enabled_ratio"] == 0.0
    assert hma.put("/c/signal_type/pdq", json={"enabled_ratio": 2}).status_code == 422
    assert hma.put("/c/signal_type/none", json={"enabled_ratio": 1}).status_code == 404
