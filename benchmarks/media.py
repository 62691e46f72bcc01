"""The media room beside its peers, in one run: ratios are what to read, the machine is shared.

Rates are by the clock; ratios are given by the clock and by processor time, which others on the machine disturb less.

    .venv/bin/python benchmarks/media.py index 100000 1000000   # PDQ search: threatexchange, faiss; random and photographs
    .venv/bin/python benchmarks/media.py pictures               # pictures to PDQ: threatexchange
    .venv/bin/python benchmarks/media.py files FOLDER           # MD5 + SHA-1 + SHA-256: hashlib alone, hashdeep if there

Needs `pip install threatexchange faiss-cpu` besides the dev group. Hashes of photographs are made once, of altered
crops of the benign photographs that ship inside scikit-image and scikit-learn, and kept in the user's cache folder.
"""

from __future__ import annotations

import argparse
import functools
import io
import math
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

# Threads of faiss that wait by spinning would be counted as work, and disturb whatever runs next.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))

from jaga.media import PdqIndex
from jaga.media.pdq import pdq

Hashes = npt.NDArray[np.uint8]
NAMES = [
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "retina",
    "rocket",
    "china.jpg",
    "flower.jpg",
]
PER_DISTANCE = 32


# Hashes ---------------------------------------------------------------------------------------------------------------


def random_hashes(count: int) -> Hashes:
    return np.random.default_rng(1).integers(0, 256, (count, 32), dtype=np.uint8)


def altered(seed: int, turns: int) -> tuple[Hashes, Hashes]:
    """`turns` crops of photographs, and of each the same crop darker or brighter and resized: (hashes, of the copies)."""
    from PIL import Image

    from tests.media.pictures import photograph

    random = np.random.default_rng(seed)
    hashes, copies = np.empty((turns, 32), np.uint8), np.empty((turns, 32), np.uint8)
    for turn in range(turns):
        picture = photograph(NAMES[int(random.integers(len(NAMES)))])
        side = random.uniform(0.2, 0.8)
        width, height = (max(32, int(size * side * random.uniform(0.7, 1.3))) for size in picture.size)
        left, top = (
            int(random.integers(0, max(1, one - two))) for one, two in zip(picture.size, (width, height), strict=True)
        )
        crop = picture.crop((left, top, left + width, top + height)).resize((128, 128), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        hashes[turn] = np.frombuffer(pdq(np.asarray(crop))[0], np.uint8)
        other = crop.resize((110, 120)).point([min(255, int(value * 0.8 + 20)) for value in range(256)] * 3)
        copies[turn] = np.frombuffer(pdq(np.asarray(other))[0], np.uint8)
    return hashes, copies


def photograph_hashes(count: int) -> Hashes:
    """Half of them crops, half the altered copies of those: near neighbours, as banks have them."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaga" / "benchmarks"
    path = folder / f"photographs-{count}.npy"
    if not path.exists():
        print(f"hashing {count:,} altered crops of photographs ...", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        turns = -(-count // 400)
        with multiprocessing.get_context("spawn").Pool() as pool:
            parts = pool.starmap(altered, [(seed, turns) for seed in range(200)])
        np.save(path, np.concatenate([each for pair in parts for each in pair])[:count])
    loaded: Hashes = np.load(path)
    return loaded


def planted(hashes: Hashes) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Queries at every distance from 0 to 31, and the row each was made from."""
    random = np.random.default_rng(2)
    distances = np.repeat(np.arange(32), PER_DISTANCE)
    random.shuffle(distances)
    rows = random.integers(0, len(hashes), len(distances))
    bits = np.unpackbits(hashes[rows], axis=1)
    for row, distance in zip(bits, distances, strict=True):
        row[random.choice(256, distance, replace=False)] ^= 1
    return np.packbits(bits, axis=1), rows


# Index ----------------------------------------------------------------------------------------------------------------


class Pace(NamedTuple):
    """Things a second: by the clock, and by processor time of all threads."""

    clock: float
    processor: float


def rate(work: Callable[[], Any], count: int) -> Pace:
    begin, begin_used = time.perf_counter(), sum(os.times()[:4])
    work()
    # Of children that ended too: some peers are commands.
    used = sum(os.times()[:4]) - begin_used
    return Pace(count / (time.perf_counter() - begin), count / used if used else math.inf)


def times(ours: list[Pace], others: list[Pace]) -> str:
    """How many times as fast: medians, and the whole range by the clock."""
    clock = [one.clock / other.clock for one, other in zip(ours, others, strict=True)]
    used = [one.processor / other.processor for one, other in zip(ours, others, strict=True)]
    return f"{statistics.median(clock):.1f}x ({min(clock):.1f}-{max(clock):.1f}) by the clock, {statistics.median(used):.1f}x by processor time"


def compare(size: int, kind: str, rounds: int) -> None:
    import faiss
    from threatexchange.signal_type.pdq.pdq_index import PDQIndex

    hashes = random_hashes(size) if kind == "random" else photograph_hashes(size)
    queries, rows = planted(hashes)
    batch = queries[:1000]
    texts = [query.tobytes().hex() for query in queries]
    few = texts[:200]
    entries = [(one.tobytes().hex(), row) for row, one in enumerate(hashes)]
    made: list[Any] = []
    their_build = rate(lambda: made.append(PDQIndex(entries)), 1)
    theirs = made.pop()
    flat = faiss.IndexBinaryFlat(256)
    flat.add(hashes)
    PdqIndex.from_hashes(hashes[:10_000], np.arange(10_000)).search(queries[:1])  # compiles, or loads what was
    built: dict[str, PdqIndex] = {}
    builds: dict[str, list[Pace]] = {"fast": [], "lean": []}

    def build(name: str) -> None:
        built[name] = PdqIndex.from_hashes(hashes, np.arange(size), lean=name == "lean")

    for name in builds:
        for _ in range(rounds):
            built.pop(name, None)
            builds[name].append(rate(functools.partial(build, name), 1))

    # Both are given text, as HMA's callers give it.
    def single(one: PdqIndex) -> None:
        for text in texts:
            one.search(np.frombuffer(bytes.fromhex(text), np.uint8)[None])

    def many(one: PdqIndex) -> None:
        one.search(np.frombuffer(bytes.fromhex("".join(texts[:1000])), np.uint8).reshape(-1, 32))

    figures: dict[str, list[Pace]] = {}

    def measure(name: str, count: int, work: Callable[[], Any]) -> None:
        figures.setdefault(name, []).append(rate(work, count))

    for _ in range(rounds):
        # One query cannot use a second thread, and waiting for one slows faiss down where others use the cores.
        faiss.omp_set_num_threads(1)
        measure("threatexchange single", len(few), lambda: [theirs.query(text) for text in few])
        for name, one in built.items():
            measure(f"{name} single", len(texts), lambda one=one: single(one))  # type: ignore[misc]
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        measure("threatexchange batch", 1000, lambda: theirs.index.search_with_distance_in_result(texts[:1000], 31))
        measure("faiss flat batch", 1000, lambda: flat.range_search(batch, 32))
        for name, one in built.items():
            measure(f"{name} batch", 1000, lambda one=one: many(one))  # type: ignore[misc]

    recalls = {}
    for name, one in built.items():
        offsets, ids, _ = one.search(queries)
        recalls[name] = np.mean([row in ids[a:b] for row, a, b in zip(rows, offsets, offsets[1:], strict=False)])
    offsets, ids, _ = built["fast"].search(batch)
    limits, _, their_ids = flat.range_search(batch, 32)
    limits = np.asarray(limits, np.int64)
    mine = np.sort((np.repeat(np.arange(1000), np.diff(offsets)) << 32) + ids)
    same = np.array_equal(mine, np.sort((np.repeat(np.arange(1000), np.diff(limits)) << 32) + their_ids))
    print(f"\n{size:,} {kind} hashes, {len(ids) / 1000:.1f} matches a query")
    print(
        "recall:", *(f"{name} {value:g}" for name, value in recalls.items()), f"; exactly what faiss flat finds: {same}"
    )
    print(f"build: threatexchange {1 / their_build.clock:.1f} s")
    for name, paces in builds.items():
        took = 1 / statistics.median(pace.clock for pace in paces)
        print(f"  {name:24} {took:>10.2f} s   {times(paces, [their_build] * len(paces))}")
    print("bytes a hash:", *(f"{name} {one.nbytes / size:.0f}" for name, one in built.items()))
    for name, values in figures.items():
        peer = figures[f"threatexchange {name.rsplit(' ', 1)[-1]}"]
        speed = statistics.median(pace.clock for pace in values)
        print(f"  {name:24} {speed:>10,.0f}/s   {times(values, peer) if peer is not values else ''}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index")
        for name, work in (
            ("save", lambda: built["fast"].save(path)),
            ("open and answer", lambda: PdqIndex.open(path).search(queries[:1])),
            ("open verified", lambda: PdqIndex.open(path, verify=True)),
        ):
            begin = time.perf_counter()
            work()
            print(f"snapshot, {name}: {time.perf_counter() - begin:.3f} s")


# Pictures -------------------------------------------------------------------------------------------------------------


def pictures(rounds: int) -> None:
    """One core, one process, from bytes to hash, as both libraries are called."""
    import simplejpeg
    from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

    from tests.media.pictures import PHOTOGRAPHS, photograph

    def ours(raw: bytes) -> tuple[bytes, int]:
        return pdq(simplejpeg.decode_jpeg(raw))

    for width, height, label in ((1152, 864, "1 MP"), (4000, 3000, "12 MP")):
        raws = []
        for name in PHOTOGRAPHS:
            buffer = io.BytesIO()
            photograph(name).resize((width, height)).save(buffer, "JPEG", quality=88)
            raws.append(buffer.getvalue())
        ours(raws[0])
        mine, others = [], []
        for _ in range(rounds):
            mine.append(rate(lambda raws=raws: [ours(raw) for raw in raws], len(raws)))  # type: ignore[misc]
            others.append(rate(lambda raws=raws: [pdq_from_bytes(raw) for raw in raws], len(raws)))  # type: ignore[misc]
        apart, qualities = 0, True
        for raw in raws:
            value, quality = ours(raw)
            expected, expected_quality = pdq_from_bytes(raw)
            apart = max(apart, (int.from_bytes(value, "big") ^ int(expected, 16)).bit_count())
            qualities &= quality == expected_quality
        speed = statistics.median(pace.processor for pace in mine)
        print(f"{label} JPEG: {speed:.0f} a second of one core; threatexchange: {times(mine, others)}")
        print(f"  at most {apart} bits apart, qualities equal: {qualities}")


# Files ----------------------------------------------------------------------------------------------------------------


def files(folder: Path, rounds: int) -> None:
    """Warm: the first round only fills the page cache."""
    import hashlib

    from jaga.media.hashing import hash_files, walk

    paths = list(walk([folder]))
    size = sum(path.stat().st_size for path in paths)

    def ours() -> None:
        for _ in hash_files(paths, ("md5", "sha1", "sha256")):
            pass

    def plain() -> None:
        for path in paths:
            hashers = hashlib.md5(), hashlib.sha1(), hashlib.sha256()
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    for hasher in hashers:
                        hasher.update(piece)

    peers: dict[str, Callable[[], Any]] = {"jaga": ours, "hashlib, one thread": plain}
    if shutil.which("hashdeep"):
        command = ["hashdeep", "-j2", "-c", "md5,sha1,sha256", "-r", str(folder)]
        peers["hashdeep -j2"] = lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    ours()
    figures: dict[str, list[Pace]] = {}
    for _ in range(rounds):
        for name, work in peers.items():
            figures.setdefault(name, []).append(rate(work, size))
    print(f"{len(paths):,} files, {size / 1e9:.2f} GB")
    for name, values in figures.items():
        ratios = [mine.clock / other.clock for mine, other in zip(figures["jaga"], values, strict=True)]
        speed = statistics.median(pace.clock for pace in values) / 1e9
        print(
            f"  {name:22} {speed:.2f} GB/s   jaga is {statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("index")
    one.add_argument("sizes", type=int, nargs="*", default=[100_000, 1_000_000])
    one.add_argument("--only", choices=["random", "photographs"])
    what.add_parser("pictures")
    what.add_parser("files").add_argument("folder", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "index":
        for size in chosen.sizes:
            for kind in [chosen.only] if chosen.only else ["random", "photographs"]:
                compare(size, kind, chosen.rounds)
    elif chosen.what == "pictures":
        pictures(chosen.rounds)
    else:
        files(chosen.folder, chosen.rounds)


if __name__ == "__main__":
    main()
