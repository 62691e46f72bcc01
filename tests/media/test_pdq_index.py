"""The index answers exactly what comparing with every hash answers, whatever was added, removed, saved and damaged."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaga.errors import StoreError, UsageError
from jaga.media import PdqIndex, _snapshot, pdq_index

Hashes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]

# Small enough for a test, and each hash behind tables, which is what is tested.
TABLES_FROM = 8


def random_hashes(seed: int, count: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def flipped(hashes: Hashes, distances: list[int], seed: int) -> Hashes:
    """hashes[i] with distances[i] of its bits turned over."""
    random = np.random.default_rng(seed)
    bits = np.unpackbits(hashes, axis=1)
    for row, distance in enumerate(distances):
        bits[row, random.choice(256, distance, replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def brute_force(hashes: Hashes, ids: Ids, queries: Hashes, limit: int) -> list[list[tuple[int, int]]]:
    """By NumPy alone: for each query the sorted (distance, id)."""
    answer = []
    for query in queries:
        distances = np.bitwise_count(hashes ^ query).sum(axis=1, dtype=np.int64)
        near = np.flatnonzero(distances <= limit)
        answer.append(sorted(zip(distances[near].tolist(), ids[near].tolist(), strict=True)))
    return answer


def found(index: PdqIndex, queries: Hashes, limit: int = 31, **more: Any) -> list[list[tuple[int, int]]]:
    offsets, ids, distances = index.search(queries, limit, **more)
    assert [array.dtype.name for array in (offsets, ids, distances)] == ["int64", "int64", "uint8"]
    assert offsets.shape == (len(queries) + 1,)
    assert offsets[0] == 0
    assert offsets[-1] == len(ids) == len(distances)
    return [
        list(zip(distances[begin:end].tolist(), ids[begin:end].tolist(), strict=True))
        for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdq_index, "_TAIL", TABLES_FROM)


@pytest.mark.parametrize("lean", [False, True], ids=["fast", "lean"])
@pytest.mark.parametrize("limit", [0, 1, 7, 14, 15, 16, 17, 23, 30, 31, 32, 40, 255])
def test_every_planted_distance_is_found_and_nothing_else(limit: int, lean: bool) -> None:
    # At 255 all that there is matches.
    hashes = random_hashes(1, 20_000 if limit < 100 else 500)
    ids = np.arange(len(hashes), dtype=np.int64) * 7 - 3
    planted = [distance for distance in range(min(limit + 9, 100)) for _ in range(4)]
    queries = flipped(hashes[: len(planted)], planted, seed=limit)
    index = PdqIndex.from_hashes(hashes, ids, lean=lean)
    assert found(index, queries, limit) == brute_force(hashes, ids, queries, limit)


def chunks_of_bits() -> npt.NDArray[np.int64]:
    """Which of the 256 bits of a hash, most significant of each byte first, each of the 16 chunks is made of."""
    single = np.packbits(np.eye(256, dtype=np.uint8), axis=1)
    chunk_words = pdq_index._words(single).view("<u2")
    assert np.bitwise_count(chunk_words).sum(axis=1).tolist() == [1] * 256
    home = chunk_words.argmax(axis=1)
    chunks = np.array([np.flatnonzero(home == chunk) for chunk in range(16)])
    assert chunks.shape == (16, 16)
    return chunks


def test_bits_of_a_row_of_waves_lie_in_different_chunks() -> None:
    """At most four of any row: what keeps the buckets of photographs even."""
    assert len({bit for chunk in chunks_of_bits() for bit in chunk.tolist()}) == 256
    for chunk in chunks_of_bits():
        rows = np.bincount(chunk // 16, minlength=16)
        assert rows.max() <= 4


# Bits turned where the pigeonhole is tightest: two in each chunk but one, which is off by one only.
@pytest.mark.parametrize("lean", [False, True], ids=["fast", "lean"])
@pytest.mark.parametrize("near_chunk", range(16))
def test_the_hardest_31_bits_are_found_through_each_chunk(near_chunk: int, lean: bool) -> None:
    hashes = random_hashes(2, 9000)
    bits = np.unpackbits(hashes[:50], axis=1)
    random = np.random.default_rng(near_chunk)
    chunks = chunks_of_bits()
    for row in bits:
        for chunk in range(16):
            row[random.choice(chunks[chunk], 1 if chunk == near_chunk else 2, replace=False)] ^= 1
    queries = np.packbits(bits, axis=1)
    index = PdqIndex.from_hashes(hashes, np.arange(9000), lean=lean)
    assert all((31, row) in got for row, got in enumerate(found(index, queries)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_hashes_any_queries_as_by_brute_force(data: st.DataObject, small_tables: None) -> None:
    """Clustered on purpose: few centres, near copies and exact ones, ids that repeat."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    centres = data.draw(st.integers(1, 6))
    spread = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=120))
    limit = data.draw(st.integers(0, 60))
    lean = data.draw(st.booleans())
    random = np.random.default_rng(seed)
    hashes = flipped(random_hashes(seed, centres)[random.integers(0, centres, len(spread))], spread, seed)
    ids = random.integers(-5, 40, len(spread))
    queries = flipped(
        hashes[: min(64, len(hashes))],
        data.draw(st.lists(st.integers(0, 40), min_size=min(64, len(hashes)), max_size=min(64, len(hashes)))),
        seed + 1,
    )
    index = PdqIndex.from_hashes(hashes, ids, lean=lean)
    assert found(index, queries, limit) == brute_force(hashes, ids, queries, limit)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 60), st.integers(0, 2**16)),
            st.tuples(st.just("remove"), st.integers(0, 30), st.integers(0, 2**16)),
            st.tuples(st.just("save"), st.just(0), st.just(0)),
        ),
        max_size=14,
    ),
    lean=st.booleans(),
)
def test_adding_removing_and_saving_in_any_order(
    steps: list[tuple[str, int, int]], lean: bool, small_tables: None, tmp_path: Path
) -> None:
    index = PdqIndex(lean=lean)
    hashes, ids = np.zeros((0, 32), np.uint8), np.zeros(0, np.int64)
    pool = random_hashes(3, 40)
    for step, size, seed in steps:
        random = np.random.default_rng(seed)
        if step == "add":
            more = flipped(pool[random.integers(0, 40, size)], random.integers(0, 20, size).tolist(), seed)
            new_ids = random.integers(0, 50, size)
            index.add(more, new_ids)
            hashes, ids = np.concatenate((hashes, more)), np.concatenate((ids, new_ids))
        elif step == "remove":
            gone = random.integers(0, 50, size)
            keep = ~np.isin(ids, gone)
            assert index.remove(gone) == np.count_nonzero(~keep)
            hashes, ids = hashes[keep], ids[keep]
        else:
            index.save(tmp_path / "index")
            index = PdqIndex.open(tmp_path / "index", verify=True)
            assert index.lean == lean
        assert len(index) == len(ids)
        assert found(index, pool) == brute_force(hashes, ids, pool, 31)


def test_many_additions_leave_few_parts() -> None:
    """Merging keeps a search from visiting ever more tables, and each hash from being sorted again and again."""
    index = PdqIndex(lean=True)
    hashes = random_hashes(4, 120_000)
    for begin in range(0, 120_000, 3000):
        index.add(hashes[begin : begin + 3000], np.arange(begin, begin + 3000))
    assert len(index) == 120_000
    assert len(index._parts) <= 5
    queries = flipped(hashes[::1200], [31] * 100, 4)
    assert found(index, queries) == brute_force(hashes, np.arange(120_000), queries, 31)


def test_a_hundred_thousand_equal_hashes_do_not_slow_others() -> None:
    """Copies of one picture are one candidate; near copies in one bucket are bounded by one pass over all."""
    crowd = np.repeat(random_hashes(5, 1), 100_000, axis=0)
    near = np.repeat(random_hashes(6, 1), 20_000, axis=0)
    near[:, 24:] = random_hashes(7, 20_000)[:, 24:]
    others = random_hashes(8, 20_000)
    hashes = np.concatenate((crowd, near, others))
    ids = np.arange(len(hashes))
    index = PdqIndex.from_hashes(hashes, ids)
    assert [len(part.words) for part in index._parts] == [40_001]
    queries = np.concatenate((crowd[:1], near[:70], flipped(others[:70], [31] * 70, 9)))
    assert found(index, queries) == brute_force(hashes, ids, queries, 31)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_the_answer(threads: int) -> None:
    hashes = random_hashes(10, 30_000)
    index = PdqIndex.from_hashes(hashes, np.arange(30_000))
    queries = flipped(hashes[:500], [index % 34 for index in range(500)], 10)
    assert found(index, queries, threads=threads) == brute_force(hashes, np.arange(30_000), queries, 31)


def test_searching_goes_on_while_another_thread_writes() -> None:
    hashes = random_hashes(11, 30_000)
    index = PdqIndex.from_hashes(hashes, np.arange(30_000), lean=True)
    stop = threading.Event()
    wrong: list[object] = []

    def searches() -> None:
        while not stop.is_set():
            got = found(index, hashes[:5], 0)
            if got != [[(0, row)] for row in range(5)]:
                wrong.append(got)

    threads = [threading.Thread(target=searches) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        index.add(random_hashes(100 + turn, 3000), np.full(3000, 10**6 + turn))
        assert index.remove([10**6 + turn - 1]) == (3000 if turn else 0)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(index) == 33_000


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    index = PdqIndex.from_hashes(np.zeros((0, 32), np.uint8), [])
    assert found(index, random_hashes(0, 2)) == [[], []]
    assert found(index, np.zeros((0, 32), np.uint8)) == []
    assert index.remove([1]) == 0
    index.save(tmp_path / "empty")
    assert len(PdqIndex.open(tmp_path / "empty")) == 0


def test_what_was_given_is_copied() -> None:
    hashes, ids = random_hashes(12, 10), np.arange(10)
    index = PdqIndex.from_hashes(hashes, ids)
    before = hashes.copy()
    hashes[:], ids[:] = 0, 0
    assert found(index, before, 0) == [[(0, row)] for row in range(10)]


@pytest.mark.parametrize(
    ("hashes", "ids", "says"),
    [
        (np.zeros((2, 31), np.uint8), [1, 2], "uint8[n, 32], not uint8[2, 31]"),
        (np.zeros(32, np.uint8), [1], "not uint8[32]"),
        (np.zeros((2, 32), np.int64), [1, 2], "not int64[2, 32]"),
        (np.zeros((2, 32), np.uint8), [1], "1 ids for 2 hashes"),
        (np.zeros((1, 32), np.uint8), [0.5], "int64[n], not float64[1]"),
        (np.zeros((1, 32), np.uint8), np.array([2**63], np.uint64), "not uint64[1]"),
        (np.zeros((1, 32), np.uint8), ["a"], "int64[n]"),
    ],
)
def test_wrong_shapes_and_types_are_refused(hashes: Hashes, ids: Any, says: str) -> None:
    for call in (PdqIndex.from_hashes, PdqIndex().add):
        with pytest.raises(UsageError) as refused:
            call(hashes, ids)
        assert says in str(refused.value)


@pytest.mark.parametrize("distance", [-1, 256])
def test_a_distance_that_does_not_fit_a_byte_is_refused(distance: int) -> None:
    with pytest.raises(UsageError, match="0 to 255"):
        PdqIndex().search(np.zeros((1, 32), np.uint8), distance)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("index") / "snapshot"
    hashes = np.concatenate((random_hashes(13, 9000), random_hashes(13, 500)))
    index = PdqIndex.from_hashes(hashes, np.arange(9500), lean=True)
    index.add(random_hashes(14, 20), np.arange(20) + 10_000)
    index.remove([3, 10_003])
    index.save(path)
    return path.read_bytes()


def test_a_snapshot_cut_anywhere_is_noticed(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    step = len(saved) // 60
    for length in [*range(200), *range(200, len(saved), step), len(saved) - 1]:
        path.write_bytes(saved[:length])
        with pytest.raises(StoreError, match=r"short|damaged|not a snapshot"):
            PdqIndex.open(path)
    path.write_bytes(saved + b"\0")
    with pytest.raises(StoreError):
        PdqIndex.open(path)


def test_a_turned_byte_is_noticed_when_verified_and_never_crashes(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(saved)
    assert len(PdqIndex.open(path, verify=True)) == 9518
    random = np.random.default_rng(15)
    queries = random_hashes(13, 20)
    for place in [*range(0, 400, 7), *random.integers(0, len(saved), 150).tolist()]:
        raw = bytearray(saved)
        raw[place] ^= int(random.integers(1, 256))
        path.write_bytes(raw)
        try:
            PdqIndex.open(path, verify=True)
        except StoreError:
            pass
        else:
            # Only the zeros that fill up to the next multiple of 64 belong to nothing.
            assert saved[place] == 0
        with contextlib.suppress(StoreError):
            PdqIndex.open(path).search(queries)


def test_noise_in_slots_cannot_lead_out_of_the_arrays(tmp_path: Path) -> None:
    """Written with right checks but wrong slots, as by someone hostile: wrong answers at most."""
    part = PdqIndex.from_hashes(random_hashes(16, 9000), np.arange(9000))._parts[0]
    group = {name: getattr(part, name).copy() for name in pdq_index._ARRAYS}
    group["slots"][:] = np.random.default_rng(16).integers(0, 256, group["slots"].shape, dtype=np.uint8)
    _snapshot.write(tmp_path / "hostile", pdq_index._KIND, {"lean": False}, [group])
    index = PdqIndex.open(tmp_path / "hostile", verify=True)
    hashes = random_hashes(16, 200)
    got = found(index, hashes)
    assert got != brute_force(random_hashes(16, 9000), np.arange(9000), hashes, 31)
    assert all(0 <= row < 9000 for each in got for _, row in each)


@pytest.mark.parametrize(
    ("name", "place"),
    [("offsets", (3, 0)), ("offsets", (3, 500)), ("offsets", (15, 65_536)), ("starts", (0,)), ("starts", (7,))],
)
def test_tables_that_lead_elsewhere_are_noticed_at_once(name: str, place: tuple[int, ...], tmp_path: Path) -> None:
    hashes = np.concatenate((random_hashes(16, 9000), random_hashes(16, 500)))
    part = PdqIndex.from_hashes(hashes, np.arange(9500))._parts[0]
    group = {each: getattr(part, each).copy() for each in pdq_index._ARRAYS}
    group[name][place] = 2**31
    _snapshot.write(tmp_path / "hostile", pdq_index._KIND, {"lean": False}, [group])
    with pytest.raises(StoreError, match="tables of the index are damaged"):
        PdqIndex.open(tmp_path / "hostile")


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("words", (9000, 3), np.uint64),
        ("ids", (8999,), np.int64),
        ("slots", (16, 5), np.uint8),
        ("dead", (1,), np.uint8),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], kind: type, tmp_path: Path) -> None:
    part = PdqIndex.from_hashes(random_hashes(16, 9000), np.arange(9000))._parts[0]
    group = {each: getattr(part, each) for each in pdq_index._ARRAYS} | {name: np.zeros(shape, kind)}
    _snapshot.write(tmp_path / "odd", pdq_index._KIND, {}, [group])
    with pytest.raises(StoreError, match="do not fit"):
        PdqIndex.open(tmp_path / "odd")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    _snapshot.write(tmp_path / "other", "something-else", {}, [])
    with pytest.raises(StoreError, match="something-else"):
        PdqIndex.open(tmp_path / "other")
    with pytest.raises(StoreError, match="cannot be read"):
        PdqIndex.open(tmp_path / "absent")


def test_a_full_disk_keeps_the_old_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    PdqIndex.from_hashes(random_hashes(18, 5), np.arange(5)).save(path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        PdqIndex.from_hashes(random_hashes(19, 50), np.arange(50)).save(path)
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir()] == ["index"]
    assert len(PdqIndex.open(path, verify=True)) == 5


_SAVER = """
import sys
import numpy as np
from jaga.media import PdqIndex
one = PdqIndex.from_hashes(np.random.default_rng(1).integers(0, 256, (40_000, 32), dtype=np.uint8), np.arange(40_000), lean=True)
two = PdqIndex.from_hashes(np.random.default_rng(2).integers(0, 256, (50_000, 32), dtype=np.uint8), np.arange(50_000), lean=True)
print("ready", flush=True)
while True:
    one.save(sys.argv[1])
    two.save(sys.argv[1])
"""


def test_a_process_killed_while_saving_leaves_a_whole_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "index"
    random = np.random.default_rng(20)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", _SAVER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
        try:
            process.wait(timeout=0.02 + 0.1 * random.random())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if path.exists():
            assert len(PdqIndex.open(path, verify=True)) in (40_000, 50_000)
    assert path.exists()


def test_an_opened_index_does_not_write_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "index"
    PdqIndex.from_hashes(random_hashes(21, 9000), np.arange(9000)).save(path)
    before = path.read_bytes()
    index = PdqIndex.open(path)
    index.remove([1, 2])
    index.add(random_hashes(22, 1), [5])
    assert path.read_bytes() == before
    assert len(PdqIndex.open(path)) == 9000


@pytest.mark.parametrize(("lean", "most"), [(True, 100), (False, 360)])
def test_memory_a_hash(lean: bool, most: int) -> None:
    """The tables' starts, 4 MB in all however many hashes there are, are left out."""
    index = PdqIndex.from_hashes(random_hashes(23, 50_000), np.arange(50_000), lean=lean)
    assert (index.nbytes - 16 * 65_537 * 4) / 50_000 <= most
