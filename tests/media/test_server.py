"""What a client written from HMA's documentation asks, and what it is answered (shared facts: HMA's HTTP interface)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from jaga.media.banks import BankStore, Item
from jaga.media.pdq import pdq
from jaga.media.server import create_app
from tests.media.pictures import drawn, photograph, pixels

HASH = pdq(pixels("astronaut"))[0].hex()


def png(name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    photograph(name).save(buffer, "PNG", **options)
    return buffer.getvalue()


def off_by(text: str, bits: int) -> str:
    return f"{int(text, 16) ^ ((1 << bits) - 1):064x}"


@pytest.fixture
def hma(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(tmp_path / "store")
    with TestClient(app) as client:
        yield client
    app.state.live.close()


@pytest.fixture
def bank(hma: TestClient) -> TestClient:
    assert hma.post("/c/banks", json={"name": "SEEN"}).status_code == 201
    answer = hma.post("/c/bank/SEEN/signal", json={"pdq": HASH, "md5": "0" * 32, "note": "invented"})
    assert (answer.status_code, answer.json()) == (200, {"id": 1, "signals": {"pdq": HASH, "md5": "0" * 32}})
    return hma


def test_status(hma: TestClient) -> None:
    for path in ("/status", "/status/live"):
        answer = hma.get(path)
        assert (answer.status_code, answer.text) == (200, "I-AM-ALIVE")
    assert {"/status", "/m/lookup", "/c/bank/{name}/content/{number}"} <= set(hma.get("/site-map").json())
    assert hma.get("/openapi/openapi.json").json()["info"]["title"] == "Jaga media"


def test_hash_a_photo_and_a_video(hma: TestClient) -> None:
    answer = hma.post("/h/hash", files={"photo": ("a.png", png("astronaut"))})
    assert (answer.status_code, answer.json()) == (200, {"pdq": HASH})
    assert hma.post("/h/hash", files={"video": ("a.mp4", b"hello")}).json() == {
        "video_md5": "5d41402abc4b2a76b9719d911017c592"
    }
    assert hma.post("/h/hash?content_type=photo", files={"file": ("a", png("astronaut"))}).json() == {"pdq": HASH}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"files": {"photo": ("a.png", b"no picture")}}, "not a picture"),
        ({"files": {"other": ("a.png", b"x")}}, "name the field photo or video"),
        ({"files": [("photo", ("a", b"x")), ("photo", ("b", b"y"))]}, "send one file, not 2"),
        ({"files": {"photo": (None, b"text")}}, "send one file, not 0"),
        ({"json": {}}, "multipart/form-data"),
    ],
)
def test_what_cannot_be_hashed_is_400_with_a_message(request_: dict[str, Any], says: str, hma: TestClient) -> None:
    answer = hma.post("/h/hash", **request_)
    assert answer.status_code == 400
    assert says in answer.json()["message"]


def test_no_url_is_fetched(bank: TestClient) -> None:
    """HMA fetches any URL it is given, which lets a caller reach whatever the server can."""
    for answer in (
        bank.get("/h/hash", params={"url": "http://127.0.0.1/"}),
        bank.get("/m/lookup", params={"url": "http://127.0.0.1/"}),
        bank.post("/c/bank/SEEN/content", params={"url": "http://127.0.0.1/"}),
    ):
        assert answer.status_code == 400
        assert "fetches no URL" in answer.json()["message"]


def test_bodies_have_a_limit(hma: TestClient) -> None:
    large = {"content-length": str((100 << 20) + 1)}
    assert hma.post("/h/hash", content=b"x", headers=large).status_code == 413
    assert hma.post("/h/hash", content=iter([b"x"])).status_code == 411


def test_raw_lookup(bank: TestClient) -> None:
    def asked(**parameters: str) -> Any:
        return bank.get("/m/raw_lookup", params={"signal_type": "pdq"} | parameters).json()

    assert asked(signal=HASH) == {"matches": [1]}
    assert asked(signal=off_by(HASH, 31), include_distance="true") == {
        "matches": [{"bank_content_id": 1, "distance": "31"}]
    }
    assert asked(signal=off_by(HASH, 32)) == {"matches": []}
    assert asked(signal=HASH, banks="OTHER") == {"matches": []}
    assert asked(signal="0" * 32, signal_type="video_md5") == {"matches": [1]}
    # Whether it is enabled is not looked at.
    assert bank.delete("/c/bank/SEEN").json() == {"message": "Done"}
    assert asked(signal=HASH) == {"matches": [1]}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"signal": "zz", "signal_type": "pdq"}, 400),
        ({"signal": HASH, "signal_type": "photodna"}, 400),
        ({"signal": HASH}, 422),
    ],
)
def test_bad_signals(parameters: dict[str, str], code: int, bank: TestClient) -> None:
    assert bank.get("/m/raw_lookup", params=parameters).status_code == code


def test_lookup_by_bank(bank: TestClient) -> None:
    bank.post("/c/banks", json={"name": "OTHER", "enabled_ratio": 0.5})
    bank.post("/c/bank/OTHER/signal", json={"pdq": off_by(HASH, 4)})
    bank.post("/c/banks", json={"name": "OFF", "enabled": False})
    bank.post("/c/bank/OFF/signal", json={"pdq": HASH})

    def asked(**parameters: str) -> Any:
        return bank.get("/m/lookup", params={"signal": HASH, "signal_type": "pdq"} | parameters).json()

    seen, other = [{"bank_content_id": 1, "distance": "0"}], [{"bank_content_id": 2, "distance": "4"}]
    assert asked(bypass_coinflip="true") == {"SEEN": seen, "OTHER": other}
    assert asked(bypass_coinflip="true", banks="OTHER") == {"OTHER": other}
    drawn_banks = [set(asked(seed=str(seed))) for seed in range(60)]
    assert drawn_banks == [set(asked(seed=str(seed))) for seed in range(60)]
    assert all("SEEN" in banks for banks in drawn_banks)
    assert 15 <= sum("OTHER" in banks for banks in drawn_banks) <= 45
    posted = bank.post("/m/lookup?bypass_coinflip=true", files={"photo": ("a.png", png("astronaut"))})
    assert posted.json() == {"pdq": {"SEEN": seen, "OTHER": other}}
    assert bank.get("/m/lookup").status_code == 400


def test_compare(hma: TestClient) -> None:
    answer = hma.post("/m/compare", json={"pdq": [HASH, off_by(HASH, 31)], "md5": ["0" * 32, "1" * 32]})
    assert answer.json() == {"pdq": [True, {"distance": 31}], "md5": [False, {"distance": 32}]}
    assert hma.post("/m/compare", json={"pdq": [HASH]}).status_code == 400


def test_banks_are_made_changed_and_shown(hma: TestClient) -> None:
    made = hma.post("/c/banks", json={"name": "A_1", "enabled_ratio": 0.25})
    assert (made.status_code, made.json()) == (201, {"name": "A_1", "matching_enabled_ratio": 0.25})
    assert hma.post("/c/banks", json={"name": "A_1"}).status_code == 403
    assert hma.post("/c/banks", json={"name": "a b"}).status_code == 400
    assert hma.put("/c/bank/A_1", json={"enabled": False}).json() == {"name": "A_1", "matching_enabled_ratio": 0.0}
    assert hma.put("/c/bank/A_1", json={"enabled": True, "enabled_ratio": 1}).json()["matching_enabled_ratio"] == 1.0
    assert hma.put("/c/bank/A_1", json={"name": "B"}).status_code == 400
    assert hma.get("/c/banks").json() == [{"name": "A_1", "matching_enabled_ratio": 1.0}]
    assert hma.get("/c/bank/A_1").json() == {"name": "A_1", "matching_enabled_ratio": 1.0}
    assert hma.get("/c/bank/NONE").status_code == 404
    assert hma.put("/c/bank/NONE", json={"enabled": True}).status_code == 404
    assert hma.delete("/c/bank/NONE").json() == {"message": "Done"}


def test_content(bank: TestClient) -> None:
    added = bank.post("/c/bank/SEEN/content?note=n", files={"photo": ("a.png", png("coffee"))})
    assert (added.status_code, added.json()["id"]) == (200, 2)
    again = bank.post("/c/bank/SEEN/content", files={"photo": ("a.png", png("coffee"))})
    assert again.json()["id"] == 2
    shown = bank.get("/c/bank/SEEN/content/2?include_signals=true").json()
    assert shown == {
        "id": 2,
        "disable_until_ts": 0,
        "original_media_uri": None,
        "bank": {"name": "SEEN", "matching_enabled_ratio": 1.0},
        "note": "n",
        "signals": added.json()["signals"],
    }
    lookup = {"signal": added.json()["signals"]["pdq"], "signal_type": "pdq"}
    assert bank.get("/m/lookup", params=lookup).json() == {"SEEN": [{"bank_content_id": 2, "distance": "0"}]}
    assert bank.put("/c/bank/SEEN/content/2", json={"disable_until_ts": 1}).json()["disable_until_ts"] == 1
    assert bank.get("/m/lookup", params=lookup).json() == {}
    assert bank.put("/c/bank/SEEN/content/2", json={"disable_until_ts": 0}).json()["disable_until_ts"] == 0
    assert bank.delete("/c/bank/SEEN/content/2").json() == {"deleted": 1}
    assert bank.get("/m/lookup", params=lookup).json() == {}
    for path in ("/c/bank/SEEN/content/99", "/c/bank/NONE/content/1"):
        assert bank.get(path).status_code == bank.delete(path).status_code == 404
    for until in (2, 99_999_999_999):
        assert bank.put("/c/bank/SEEN/content/2", json={"disable_until_ts": until}).status_code == 400


def test_what_cannot_be_added(bank: TestClient) -> None:
    buffer = io.BytesIO()
    from PIL import Image

    Image.fromarray(drawn("flat", 100, 100)).save(buffer, "PNG")
    flat = bank.post("/c/bank/SEEN/content", files={"photo": ("a.png", buffer.getvalue())})
    assert (flat.status_code, "too little to see" in flat.json()["message"]) == (400, True)
    assert bank.post("/c/bank/SEEN/signal", json={}).status_code == 400
    assert bank.post("/c/bank/SEEN/signal", json={"pdq": "xx"}).status_code == 400
    assert bank.post("/c/bank/SEEN/signal", json={"pdq": HASH, "note": "x" * 256}).status_code == 400
    assert bank.post("/c/bank/NONE/signal", json={"pdq": HASH}).status_code == 404


def test_index_status(bank: TestClient) -> None:
    status = bank.get("/m/index/status", params={"signal_type": "pdq"}).json()
    assert status["pdq"]["present"] is True
    assert status["pdq"]["size"] == 1
    assert status["pdq"]["built_to"] > 0
    assert set(bank.get("/m/index/status").json()) == set(bank.get("/c/signal_type").json())
    index = bank.get("/c/signal_type/index").json()["pdq"]
    assert (index["db_size"], index["index_size"], index["index_out_of_date"]) == (1, 1, False)
    assert [one["name"] for one in bank.get("/c/content_type").json()] == ["photo", "video"]
    assert bank.get("/m/index/status", params={"signal_type": "x"}).status_code == 400


def test_many_at_once(bank: TestClient) -> None:
    signals = [HASH, off_by(HASH, 40), off_by(HASH, 3)]
    answer = bank.post("/v1/lookup", json={"signal_type": "pdq", "signals": signals}).json()
    assert answer["schema"] == 1
    assert [[one["distance_bits"] for one in each] for each in answer["matches"]] == [[0], [], [3]]
    assert answer["matches"][0][0]["bank"] == "SEEN"
    too_many = {"signal_type": "pdq", "signals": [HASH] * 10_001}
    assert bank.post("/v1/lookup", json=too_many).status_code == 413


def test_what_another_process_added_is_found(bank: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaga.media.server._FRESH_S", 0.0)
    with BankStore(tmp_path / "store") as other:
        hashes = np.random.default_rng(0).integers(0, 256, (10_000, 32), dtype=np.uint8)
        other.add("SEEN", (Item(hashes=(("pdq", one.tobytes()),)) for one in hashes))
    parameters = {"signal": hashes[-1].tobytes().hex(), "signal_type": "pdq"}
    assert bank.get("/m/raw_lookup", params=parameters).json() == {"matches": [10_001]}


def test_a_server_that_starts_again_knows_what_it_knew(bank: TestClient, tmp_path: Path) -> None:
    app = create_app(tmp_path / "store")
    with TestClient(app) as again:
        parameters = {"signal": HASH, "signal_type": "pdq"}
        assert again.get("/m/raw_lookup", params=parameters).json() == {"matches": [1]}
    app.state.live.close()


def test_videos_are_hashed_kept_and_found(hma: TestClient) -> None:
    raw = (Path(__file__).parent / "fixtures" / "mpeg4_24fps.mkv").read_bytes()
    signals = hma.post("/h/hash", files={"video": ("a.mkv", raw)}).json()
    assert set(signals) == {"video_md5", "vpdq"}
    assert hma.post("/c/banks", json={"name": "CLIPS"}).status_code == 201
    made = hma.post("/c/bank/CLIPS/content", files={"video": ("a.mkv", raw)}).json()
    assert made["signals"] == signals
    shown = hma.get(f"/c/bank/CLIPS/content/{made['id']}", params={"include_signals": True}).json()
    assert shown["signals"]["vpdq"] == signals["vpdq"]
    asked = {"signal": signals["vpdq"], "signal_type": "vpdq"}
    assert hma.get("/m/lookup", params=asked).json() == {"CLIPS": [{"bank_content_id": made["id"], "distance": "0"}]}
    found = hma.post("/m/lookup", files={"video": ("a.mkv", raw)}).json()
    assert [set(one) for one in found.values()] == [{"CLIPS"}, {"CLIPS"}]
    same = hma.post("/m/compare", json={"vpdq": [signals["vpdq"], signals["vpdq"]]}).json()["vpdq"]
    assert same == [True, {"query_match_percent": 100.0, "compared_match_percent": 100.0}]
    assert hma.get("/m/index/status").json()["vpdq"]["size"] == 1
