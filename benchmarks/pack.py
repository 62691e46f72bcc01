"""How long an evidence pack takes to make and to check, and what memory making it leaves behind.

    .venv/bin/python benchmarks/pack.py

Prints, for a report of 13 messages in each of the four languages and for one of 780: seconds to make a pack with the PDFs set in processes of their
own, and in this process; the size; seconds to verify; then this process's memory before and after each way.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from jaga.family.pack import PackContent, pack_bytes, verify_pack
from tests.family.pack.samples import KEY, LINES, NOW, content

_TIMES = 5


def median_s(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def resident_mib() -> float:
    """Of this process, now; Linux only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def making(told: PackContent, isolated: bool) -> Callable[[], object]:
    return lambda: pack_bytes(told, signing_key=KEY, now=NOW, isolated=isolated)


def main() -> None:
    contents = {language: content(language) for language in ("ms", "en", "zh", "ta")}
    contents["ta, 780 messages"] = content("ta", [*LINES] * 60, every=True)
    before = resident_mib()
    apart = {name: median_s(making(told, True)) for name, told in contents.items()}
    after_apart = resident_mib()
    inside = {name: median_s(making(told, False)) for name, told in contents.items()}
    after_inside = resident_mib()
    print(f"{'':>18} {'own process s':>14} {'this process s':>15} {'bytes':>10} {'verify s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, told in contents.items():
            path = Path(folder, "pack.zip")
            path.write_bytes(pack_bytes(told, signing_key=KEY, now=NOW, isolated=False)[0])
            checked = median_s(lambda path=path: verify_pack(path))  # type: ignore[misc]
            print(f"{name:>18} {apart[name]:>14.2f} {inside[name]:>15.2f} {path.stat().st_size:>10,} {checked:>9.4f}")
    print(f"memory, MiB: {before:.0f} before, {after_apart:.0f} after own processes, {after_inside:.0f} after this one")


if __name__ == "__main__":
    main()
