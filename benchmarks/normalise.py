"""How fast ordinary talk is folded, and how fast the whole engine judges it.

    .venv/bin/python benchmarks/normalise.py evaluation/train evaluation/dev

One process, one core; the best of five runs, since what else the machine does only ever slows a run down.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jaga.evaluate import judge, load_scenarios
from jaga.signals.catalogue import load_catalogue
from jaga.signals.normalise import Normaliser


def best(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest run."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Print messages a second."""
    scenarios = list(load_scenarios(Path(folder) for folder in sys.argv[1:] or ["evaluation/dev"]))
    texts = [message.text for scenario in scenarios for message in scenario.messages]
    fold = Normaliser(load_catalogue().short_forms, load_catalogue().vocabulary)

    def every(some: list[str]) -> None:
        for text in some:
            fold(text)

    for language in sorted({scenario.label.language for scenario in scenarios}):
        own = [m.text for s in scenarios if s.label.language == language for m in s.messages]
        print(f"folding {language}: {len(own) / best(functools.partial(every, own)):,.0f}/s")
    print(f"folding all: {len(texts) / best(functools.partial(every, texts)):,.0f}/s")
    print(f"whole engine: {len(texts) / best(lambda: list(judge(scenarios)), 3):,.0f}/s")


main()
