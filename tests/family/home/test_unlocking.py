"""The passphrase of a machine nobody sits in front of, the keyring's own slot, one instance, and the household's certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import keyring
import keyring.backend
import pytest

from jaga.errors import DataNeeded, StoreError, UsageError, WrongPassphrase
from jaga.family.home._instance import only_one, running
from jaga.family.home._serve import address_of
from jaga.family.home._tls import certificate, ends_at, read_certificate
from jaga.family.home._unlocking import SLOT, forget, open_store, passphrase_given, remember
from jaga.store import Store
from tests.family.home.house import CHEAP

PASSPHRASE = "empat perkataan yang panjang"


class Memory(keyring.backend.KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[Memory]:
    before = keyring.get_keyring()
    memory = Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("JAGA_PASSPHRASE", "JAGA_PASSPHRASE_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    made = Store.create(tmp_path / "home", PASSPHRASE, slot="siti", cost=CHEAP)
    yield made
    made.close()


def test_the_nearest_place_wins(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passphrase_given() is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrase_given() is None
    (tmp_path / "jaga.passphrase").write_text("from systemd\n")
    assert passphrase_given() == "from systemd"
    (tmp_path / "file").write_text("from a file\r\n")
    monkeypatch.setenv("JAGA_PASSPHRASE_FILE", str(tmp_path / "file"))
    assert passphrase_given() == "from a file"
    monkeypatch.setenv("JAGA_PASSPHRASE", "from the environment")
    assert passphrase_given() == "from the environment"


def test_a_file_that_is_not_there_is_said(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAGA_PASSPHRASE_FILE", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="nothing: the file with the passphrase cannot be read"):
        passphrase_given()


def test_a_wrong_one_is_not_passed_over_for_the_keyring(
    store: Store, ring: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(store)
    monkeypatch.setenv("JAGA_PASSPHRASE", "not this one, surely")
    with pytest.raises(WrongPassphrase):
        open_store(store.folder, None)


def test_the_keyring_opens_it_and_holds_nobodys_passphrase(store: Store, ring: Memory) -> None:
    assert open_store(store.folder, None) is None
    remember(store)
    assert PASSPHRASE not in str(ring.kept)
    assert SLOT in store.keys.slots
    opened = open_store(store.folder, None)
    assert opened is not None
    assert opened.key == store.key
    opened.close()
    forget(store.folder)
    assert ring.kept == {}
    assert open_store(store.folder, None) is None


def test_a_secret_that_no_longer_fits_leaves_it_locked(store: Store, ring: Memory) -> None:
    remember(store)
    for key in ring.kept:
        ring.kept[key] = "AAAA-0000"
    assert open_store(store.folder, None) is None


def test_a_keyring_that_keeps_nothing_is_not_relied_on(
    store: Store, ring: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "set_password", lambda *_: None)
    with pytest.raises(DataNeeded, match="no keyring"):
        remember(store)
    assert SLOT not in store.keys.slots


def test_who_never_asked_to_remember_is_not_asked_by_the_keyring(store: Store, ring: Memory) -> None:
    asked: list[object] = []
    ring.get_password = lambda *given: asked.append(given)  # type: ignore[method-assign]
    assert open_store(store.folder, None) is None
    assert asked == []


def test_one_at_a_time(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with only_one(tmp_path, "http://localhost:1/"):
        found = running(tmp_path)
        assert found is not None
        assert found.address == "http://localhost:1/"
        with pytest.raises(UsageError, match="http://localhost:1/: Jaga is running already"), only_one(tmp_path):
            pass
    assert running(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), only_one(tmp_path / "file" / "home"):
        pass


def test_a_certificate_is_kept_until_it_ends_or_a_name_is_missing(tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    first = certificate(tmp_path, ["localhost", "192.168.1.5"], now=now)
    assert first.names == ("192.168.1.5", "localhost")
    assert certificate(tmp_path, ["localhost"], now=now) == first
    again = certificate(tmp_path, ["localhost", "jaga.rumah"], now=now)
    assert again.fingerprint != first.fingerprint
    later = certificate(tmp_path, ["jaga.rumah"], now=ends_at(again.cert) - timedelta(days=29))
    assert later.fingerprint != again.fingerprint
    # What a browser's library takes.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(later.cert, later.key)


def test_a_damaged_certificate_is_said(tmp_path: Path) -> None:
    made = certificate(tmp_path, ["localhost"])
    made.cert.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    with pytest.raises(StoreError, match="tls: the certificate cannot be read or made"):
        certificate(tmp_path, ["localhost"])
    with pytest.raises(ValueError, match=r"\w"):
        read_certificate(made.cert, made.key)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "jaga.rumah"])
def test_what_others_can_reach_has_to_be_asked_for(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="can be reached by others"):
        address_of(tmp_path, host, 8787, lan=False)
    found = address_of(tmp_path, host, 8787, lan=True, names=["jaga.rumah"])
    assert found.tls is not None
    assert found.url.startswith("https://")
    assert found.home_url == "https://jaga.rumah:8787/" or host not in ("0.0.0.0", "::", "jaga.rumah")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://localhost:8787/"),
        ("127.0.0.1", "http://localhost:8787/"),
        ("::1", "http://localhost:8787/"),
        ("localhost", "http://localhost:8787/"),
        ("127.0.0.5", "http://127.0.0.5:8787/"),
    ],
)
def test_this_machine_alone_needs_no_certificate(tmp_path: Path, host: str | None, url: str) -> None:
    found = address_of(tmp_path, host, 8787, lan=False)
    assert (found.url, found.tls) == (url, None)
    assert list(tmp_path.iterdir()) == []
