"""Banks that follow a source: NCMEC and StopNCII as local servers speak them, and a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from threatexchange.exchanges.clients.ncmec.hash_api import NCMECEnvironment

from jaga.errors import ServiceError, UsageError
from jaga.media import exchanges
from jaga.media.banks import Bank, BankStore, Change, Item
from jaga.media.server import create_app
from tests.media.exchange_server import Peer, peer

PDQ = [f"{number + 1:064x}" for number in range(9)]
MD5 = [f"{number + 1:032x}" for number in range(9)]
DAY = 86_400
START = 1_700_000_000


@pytest.fixture
def server() -> Iterator[Peer]:
    with peer() as state:
        yield state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BankStore]:
    with BankStore(tmp_path / "store") as made:
        yield made


@pytest.fixture
def ncmec(server: Peer, store: BankStore, monkeypatch: pytest.MonkeyPatch) -> BankStore:
    # The library's environments are addresses; there is no setting for another one.
    monkeypatch.setattr(NCMECEnvironment.test_NGO, "_value_", server.url)
    store.follow("NCMEC", "ncmec", {"environment": "test_NGO"})
    exchanges.set_credentials(store, "ncmec", {"user": "jaga", "password": "secret word"})
    return store


@pytest.fixture
def stopncii(server: Peer, store: BankStore) -> BankStore:
    store.follow("NCII", "stop_ncii", {})
    keys = {"fetch_function_key": "f", "subscription_key": "s", "base_url_override": server.url}
    exchanges.set_credentials(store, "stop_ncii", keys)
    return store


def counts(store: BankStore, kind: str = "pdq") -> set[str]:
    """What takes part in matching now."""
    every = [(kind, value) for rows in store.values(kind) for _, value in rows]
    return {one.value.hex() for one in store.exact(every)}


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "at": START + number * DAY, "hashes": {"pdq": PDQ[number]}} | more


def record(number: int, status: str = "Active", **more: Any) -> dict[str, Any]:
    return {
        "lastModtimestamp": 100 + number,
        "signalType": "ImagePDQ",
        "hashValue": PDQ[number],
        "hashStatus": status,
        "caseNumbers": {},
        "CSPFeedbacks": [],
    } | more


def test_ncmec_entries_come_page_by_page_with_all_their_hashes(server: Peer, ncmec: BankStore) -> None:
    server.entries = [entry(number, hashes={"pdq": PDQ[number], "md5": MD5[number]}) for number in range(5)]
    server.entries.append({"id": "v", "kind": "video", "at": START + 9 * DAY, "hashes": {"md5": MD5[8], "pdna": "1,2"}})
    result = exchanges.fetch(ncmec, "NCMEC")
    assert (result.entries, result.added) == (6, 11)
    assert counts(ncmec) == set(PDQ[:5])
    assert counts(ncmec, "md5") == {*MD5[:5], MD5[8]}
    (known,) = ncmec.exact([("pdq", bytes.fromhex(PDQ[0]))])
    assert (known.bank, known.category, known.name) == ("NCMEC", "A1", "42-e0")
    # Only what is new is asked for the next time.
    server.asked.clear()
    again = exchanges.fetch(ncmec, "NCMEC")
    assert (again.entries, again.added) == (0, 0)
    assert all("from=2023" not in path for path in server.asked)


def test_what_ncmec_deletes_stops_counting_unless_another_entry_has_it(server: Peer, ncmec: BankStore) -> None:
    server.entries = [entry(0), entry(1), entry(2, member=7, hashes={"pdq": PDQ[1]})]
    exchanges.fetch(ncmec, "NCMEC")
    ncmec.change_exchange("NCMEC", removed=True)
    ncmec.follow("NCMEC", "ncmec", {"environment": "test_NGO"})
    server.entries = [entry(0, deleted=True), entry(1, deleted=True), *server.entries[2:]]
    assert exchanges.fetch(ncmec, "NCMEC").withdrawn == 1
    assert counts(ncmec) == {PDQ[1]}
    # It is still in the bank, and comes back when the source names it again.
    assert ncmec.count("pdq") == 2


def test_a_fetch_that_breaks_goes_on_where_it_came_to(server: Peer, ncmec: BankStore) -> None:
    server.entries = [entry(number) for number in range(8)]
    reached = []
    # The client feels its way through time, so it takes a few answers until the first entries come.
    for _ in range(40):
        server.fail_after = 5
        said = None
        try:
            exchanges.fetch(ncmec, "NCMEC")
        except ServiceError as error:
            said = str(error)
        if said is None:
            break
        assert "secret word" not in said
        assert server.url not in said
        status = ncmec.exchange("NCMEC")
        assert status.problem is not None
        assert not status.running
        reached.append(len(counts(ncmec)))
    assert reached == sorted(reached)
    assert any(0 < one < 8 for one in reached)
    server.fail_after = None
    exchanges.fetch(ncmec, "NCMEC")
    assert counts(ncmec) == set(PDQ[:8])
    assert ncmec.exchange("NCMEC").problem is None


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refusal_is_one_clear_error(server: Peer, ncmec: BankStore, code: int) -> None:
    server.refuse = code
    with pytest.raises(ServiceError, match=f"HTTP {code}"):
        exchanges.fetch(ncmec, "NCMEC")


def test_stopncii_withdrawn_cases_stop_counting(server: Peer, stopncii: BankStore) -> None:
    server.records = [record(number) for number in range(5)]
    server.records.append(record(5, signalType="VideoMD5", hashValue=MD5[5]))
    server.records.append(record(6, CSPFeedbacks=[{"source": "x", "feedbackValue": "NotBlocked", "tags": []}]))
    result = exchanges.fetch(stopncii, "NCII")
    assert (counts(stopncii), counts(stopncii, "md5")) == ({*PDQ[:5], PDQ[6]}, {MD5[5]})
    assert result.entries == 7
    server.records = [record(1, "Withdrawn", lastModtimestamp=900), record(2, "Deleted", lastModtimestamp=901)]
    assert exchanges.fetch(stopncii, "NCII").withdrawn == 2
    assert counts(stopncii) == {PDQ[0], PDQ[3], PDQ[4], PDQ[6]}
    server.records = [record(1, lastModtimestamp=950)]
    assert exchanges.fetch(stopncii, "NCII").returned == 1
    assert PDQ[1] in counts(stopncii)


def test_stopncii_pages_lost_in_a_break_are_fetched_again(server: Peer, stopncii: BankStore) -> None:
    server.records = [record(number) for number in range(8)]
    server.fail_after = 1
    with pytest.raises(ServiceError):
        exchanges.fetch(stopncii, "NCII")
    assert counts(stopncii) == set(PDQ[:2])
    server.fail_after = None
    exchanges.fetch(stopncii, "NCII")
    assert counts(stopncii) == set(PDQ[:8])


def test_the_source_is_told_and_the_history_keeps_it(server: Peer, ncmec: BankStore) -> None:
    server.entries = [entry(0)]
    exchanges.fetch(ncmec, "NCMEC")
    (known,) = ncmec.exact([("pdq", bytes.fromhex(PDQ[0]))])
    exchanges.tell(ncmec, "NCMEC", known.item, "false_positive")
    ((path, body),) = server.told
    assert path == "PUT /v2/entries/42/e0/PDQ/feedback"
    assert "<negative><reasonIds><guid>g-1</guid>" in body
    assert ncmec.history("NCMEC")[-1].detail == {"item": known.item, "opinion": "false_positive"}
    with pytest.raises(UsageError, match="item 999"):
        exchanges.tell(ncmec, "NCMEC", 999, "seen")


def test_stopncii_is_told_too(server: Peer, stopncii: BankStore) -> None:
    server.records = [record(0)]
    exchanges.fetch(stopncii, "NCII")
    exchanges.tell(stopncii, "NCII", 1, "seen")
    ((path, body),) = server.told
    assert path == "POST /SubmitFeedback"
    assert PDQ[0] in body
    assert "Blocked" in body


def test_a_file_is_followed_and_what_left_it_stops_counting(store: BankStore, tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    path.write_text(f"pdq {PDQ[0]}\npdq {PDQ[1]}\nvideo_md5 {MD5[0]}\npdq nonsense\n")
    store.follow("FILE", "local_file", {"filename": str(path)})
    first = exchanges.fetch(store, "FILE")
    assert first.added == 3
    assert ["nonsense" in one.what for one in first.problems] == [True]
    path.write_text(f"pdq {PDQ[1]}\npdq {PDQ[2]}\n")
    exchanges.fetch(store, "FILE")
    assert counts(store) == {PDQ[1], PDQ[2]}
    assert counts(store, "md5") == set()
    path.unlink()
    with pytest.raises(ServiceError):
        exchanges.fetch(store, "FILE")


def test_settings_and_credentials_are_checked_before_anything_is_asked(store: BankStore) -> None:
    with pytest.raises(UsageError, match="needs environment"):
        exchanges.validated("X", "ncmec", {})
    with pytest.raises(UsageError, match="none of"):
        exchanges.validated("X", "ncmec", {"environment": "moon"})
    with pytest.raises(UsageError, match="no setting colour"):
        exchanges.validated("X", "ncmec", {"environment": "test_NGO", "colour": "blue"})
    with pytest.raises(UsageError, match="speaks"):
        exchanges.validated("X", "carrier_pigeon", {})
    with pytest.raises(UsageError, match="no credentials"):
        exchanges.set_credentials(store, "local_file", {"a": "b"})
    with pytest.raises(UsageError, match="takes user, password"):
        exchanges.set_credentials(store, "ncmec", {"user": "a"})
    assert exchanges.validated("X", "ncmec", {"environment": "test_NGO", "only_esp_ids": ["1", "2"]}).only_esp_ids == {
        1,
        2,
    }


def test_credentials_are_for_this_user_only(ncmec: BankStore) -> None:
    assert (ncmec.folder / "credentials.json").stat().st_mode & 0o777 == 0o600
    for path in ncmec.folder.iterdir():
        if path.name != "credentials.json":
            assert b"secret word" not in path.read_bytes()


def test_every_client_of_the_library_can_be_described() -> None:
    assert set(exchanges.apis()) == {"fb_threatexchange", "local_file", "ncmec", "sample", "stop_ncii", "tat"}
    for name in exchanges.apis():
        assert exchanges.schema(name)["type"] == "object"
        exchanges.needs(name)
    assert exchanges.schema("ncmec")["required"] == ["environment"]
    with pytest.raises(UsageError, match="cannot be loaded"):
        exchanges.apis(["no.such.module"])
    assert "jaga_bank" in exchanges.apis(["jaga.adapters.tx"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.frozensets(st.integers(0, 4), max_size=3)), min_size=1, max_size=4
        ),
        max_size=6,
    )
)
def test_what_counts_is_what_the_source_last_said(tmp_path_factory: pytest.TempPathFactory, parts: Any) -> None:
    with BankStore(tmp_path_factory.mktemp("store")) as store:
        store.follow("X", "local_file", {"filename": "x"})
        model: dict[str, frozenset[int]] = {}
        for place, part in enumerate(parts):
            changes = []
            for key, numbers in part:
                model[key] = numbers
                items = tuple(Item(hashes=(("pdq", bytes.fromhex(PDQ[number])),)) for number in sorted(numbers))
                changes.append(Change(key=key, items=items))
            store.exchange_changes("X", changes, {"at": place})
        assert counts(store) == {PDQ[number] for numbers in model.values() for number in numbers}


def test_a_store_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    import sqlite3

    with BankStore(tmp_path) as store:
        store.create(Bank(name="OLD"))
        store.add("OLD", [Item(hashes=(("pdq", bytes(32)),))])
    with sqlite3.connect(tmp_path / "banks.sqlite") as old:
        old.executescript("DROP TABLE exchange_references; DROP TABLE exchanges; PRAGMA user_version = 1;")
    old.close()
    with BankStore(tmp_path) as store:
        assert store.bank("OLD").hashes == 1
        assert store.exchanges() == []
        store.follow("OLD", "local_file", {"filename": "x"})


def test_hma_clients_configure_exchanges(tmp_path: Path) -> None:
    app = create_app(tmp_path / "store")
    with TestClient(app) as hma:
        assert "ncmec" in hma.get("/c/exchanges/apis").json()
        shown = {"supports_authentification": True, "has_set_authentification": False}
        assert hma.get("/c/exchanges/api/ncmec").json() == shown
        given_ = {"credential_json": {"user": "a", "password": "b"}}
        assert hma.post("/c/exchanges/api/ncmec", json=given_).json() == shown | {"has_set_authentification": True}
        assert hma.get("/c/exchanges/api/ncmec/schema").json()["config_schema"]["required"] == ["environment"]
        assert hma.get("/c/exchanges/api/pigeon").status_code == 404
        wanted = {"bank": "NCMEC", "api": "ncmec", "api_json": {"environment": "test_NGO"}}
        assert hma.post("/c/exchanges", json=wanted).status_code == 201
        assert hma.post("/c/exchanges", json=wanted).status_code == 403
        assert hma.post("/c/exchanges", json={"bank": "A", "api": "ncmec", "api_json": {}}).status_code == 400
        assert hma.post("/c/exchanges", json={"bank": "A", "api": "local_file", "api_json": {}}).status_code == 403
        assert hma.get("/c/exchanges").json() == ["NCMEC"]
        assert hma.get("/c/exchange/NCMEC").json() == {
            "name": "NCMEC", "api": "ncmec", "enabled": True, "environment": "test_NGO",
        }  # fmt: skip
        assert hma.put("/c/exchange/NCMEC", json={"enabled": False}).json()["enabled"] is False
        status = hma.get("/c/exchange/NCMEC/status").json()
        assert (status["fetched_items"], status["last_fetch_succeeded"], status["up_to_date"]) == (0, None, False)
        assert hma.delete("/c/exchange/NCMEC").status_code == 200
        assert hma.get("/c/exchange/NCMEC").status_code == 404
        assert [one["name"] for one in hma.get("/c/banks").json()] == ["NCMEC"]
    app.state.live.close()


def test_the_command_line_walks_it(tmp_path: Path) -> None:
    def jaga(*arguments: str, code: int = 0) -> str:
        command = [str(Path(sys.executable).with_name("jaga")), "media", "exchange", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    store = ("--store", str(tmp_path / "store"))
    (tmp_path / "list.txt").write_text(f"pdq {PDQ[0]}\n")
    assert "ncmec: environment, [only_esp_ids]; logs in with user, password" in jaga("apis")
    jaga("add", "SEEN", "local_file", "--set", f"filename={tmp_path / 'list.txt'}", *store)
    assert "never fetched" in jaga("list", *store)
    assert "SEEN: 1 entries, 1 hashes added, 0 withdrawn" in jaga("fetch", *store)
    assert "local_file, fetched" in jaga("list", *store)
    (tmp_path / "list.txt").unlink()
    assert "could not be fetched" in jaga("fetch", *store, code=3)
    assert "needs environment" in jaga("add", "N", "ncmec", *store, code=2)
    jaga("remove", "SEEN", *store)
    assert jaga("list", *store) == ""
