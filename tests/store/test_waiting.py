"""What waits is encrypted, comes back as it was, and tells when it was tampered with."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga.errors import StoreError
from jaga.store import Store
from jaga.store._waiting import WaitingFile, clear_opened, opened, waiting_folder
from tests.family.home.house import CHEAP

CHUNK = 64 * 1024
HEAD = 25


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store.create(tmp_path_factory.mktemp("waiting") / "jaga", "correct horse battery", slot="siti", cost=CHEAP)
    yield made
    made.close()


def keep(store: Store, data: bytes, step: int = 1000) -> Path:
    with WaitingFile(store) as file:
        for at in range(0, len(data), step):
            file.write(data[at : at + step])
        return file.finish()


@settings(max_examples=30, deadline=None)
@given(
    size=st.one_of(
        st.integers(0, 100), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK])
    ),
    step=st.integers(1000, 100_000),
)
def test_it_comes_back_as_it_was(store: Store, size: int, step: int) -> None:
    data = (b"It is a secret between us. " * (size // 27 + 1))[:size]
    path = keep(store, data, step)
    assert b"secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    with opened(store, path, "WhatsApp Chat with Mak Su.txt") as plain:
        assert plain.name == "WhatsApp Chat with Mak Su.txt"
        assert plain.read_bytes() == data
        assert plain.stat().st_mode & 0o077 == 0
        assert plain.parent.stat().st_mode & 0o077 == 0
    assert not plain.exists()
    path.unlink()


@pytest.mark.parametrize(
    "harm",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[: -(CHUNK // 2)],
        # Where a chunk ends: what is left is whole, chunk by chunk.
        lambda raw: raw[: HEAD + CHUNK + 16],
        lambda raw: raw[:HEAD] + raw[HEAD + CHUNK + 16 :],
        lambda raw: (
            raw[:HEAD]
            + raw[HEAD + CHUNK + 16 : HEAD + 2 * (CHUNK + 16)]
            + raw[HEAD : HEAD + CHUNK + 16]
            + raw[HEAD + 2 * (CHUNK + 16) :]
        ),
        lambda raw: raw + b"x",
        lambda raw: raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
        lambda raw: raw[:10] + bytes([raw[10] ^ 1]) + raw[11:],
        lambda raw: b"PK\x03\x04" + raw[4:],
        lambda raw: b"",
        lambda raw: raw[:HEAD],
    ],
    ids=["cut", "half", "at a chunk", "first out", "swapped", "longer", "a bit", "salt", "magic", "empty", "head only"],
)
def test_whatever_was_changed_is_seen(store: Store, harm: Callable[[bytes], bytes]) -> None:
    path = keep(store, b"abc" * CHUNK)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(StoreError, match="damaged"), opened(store, path, "a.txt"):
        pass
    path.unlink()


def test_another_stores_key_opens_nothing(store: Store, tmp_path: Path) -> None:
    other = Store.create(tmp_path / "other", "correct horse battery", slot="ravi", cost=CHEAP)
    path = keep(store, b"abc")
    (tmp_path / "other" / "waiting").mkdir()
    with pytest.raises(StoreError, match="damaged"), opened(other, path, "a.txt"):
        pass
    other.close()


def test_what_breaks_off_leaves_nothing(store: Store) -> None:
    keep(store, b"abc")
    before = set(waiting_folder(store).iterdir())
    file = WaitingFile(store)
    file.write(b"abc" * CHUNK)
    assert set(waiting_folder(store).iterdir()) != before
    file.__exit__(RuntimeError, RuntimeError(), None)
    assert set(waiting_folder(store).iterdir()) == before


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/b\\c.txt", "", ".", "x" * 5000 + ".txt", "பெயர்" * 200 + ".zip", "a\x00b\n.txt", "c:*?.txt"],
)
def test_a_name_can_lead_nowhere(store: Store, name: str) -> None:
    path = keep(store, b"abc")
    with opened(store, path, name) as plain:
        assert plain.read_bytes() == b"abc"
        assert plain.parent.name.startswith("jaga-reading-")
        assert len(plain.name.encode()) <= 255


def test_what_a_crash_left_in_the_clear_is_removed_at_the_start(store: Store) -> None:
    left = opened(store, keep(store, b"abc"), "a.txt")
    plain = left.__enter__()
    assert plain.exists()
    clear_opened(store)
    assert not plain.parent.exists()
    left.__exit__(None, None, None)


def test_a_zip_can_be_written_into_it(store: Store) -> None:
    with WaitingFile(store) as file:
        with zipfile.ZipFile(file, "w") as archive, archive.open("inbox/m.json", "w", force_zip64=True) as member:
            member.write(b"{}")
        path = file.finish()
    with opened(store, path, "export.zip") as plain, zipfile.ZipFile(plain) as archive:
        assert archive.read("inbox/m.json") == b"{}"
