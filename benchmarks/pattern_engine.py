"""Hyperscan beside RE2's Set: 1,200 made-up patterns with gaps over messages of their own vocabulary (the hard case).

.venv/bin/python benchmarks/pattern_engine.py
"""

from __future__ import annotations

import random
import time

import hyperscan
import re2

WORDS = [
    "jangan",
    "bagi",
    "tahu",
    "mak",
    "ayah",
    "rahsia",
    "kita",
    "delete",
    "chat",
    "hantar",
    "gambar",
    "jumpa",
    "rumah",
    "duit",
    "telegram",
    "pandai",
    "abang",
    "sekolah",
    "umur",
    "malam",
    "kelas",
    "bola",
    "game",
]


def made_up() -> tuple[list[str], list[str]]:
    """(patterns, messages) from a fixed seed."""
    chance = random.Random(1)
    patterns = []
    for index in range(1_200):
        words = [
            chance.choice(WORDS) + (str(chance.randint(0, 9)) if chance.random() < 0.5 else "")
            for _ in range(chance.randint(2, 4))
        ]
        words[chance.randrange(len(words))] = f"(?:{'|'.join(chance.sample(WORDS, 5))})"
        patterns.append(rf"\b{(r'(?: [^ ]+){0,2} ' if index % 3 == 0 else ' ').join(words)}\b")
    return patterns, [" ".join(chance.choices(WORDS, k=chance.randint(3, 14))) for _ in range(20_000)]


def main() -> None:
    patterns, messages = made_up()
    options = re2.Options()
    options.max_mem = 256 << 20
    options.never_capture = True
    start = time.perf_counter()
    several = re2.Set.SearchSet(options)
    for pattern in patterns:
        several.Add(pattern)
    several.Compile()
    made = time.perf_counter()
    for message in messages:
        several.Match(message)
    print(f"re2: compiled in {made - start:.2f} s, {len(messages) / (time.perf_counter() - made):,.0f} messages/s")
    start = time.perf_counter()
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8
    database.compile(
        expressions=[pattern.encode() for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[flags] * len(patterns),
    )
    made = time.perf_counter()
    for message in messages:
        database.scan(message.encode(), match_event_handler=lambda *_: None)
    print(
        f"hyperscan: compiled in {made - start:.2f} s, {len(messages) / (time.perf_counter() - made):,.0f} messages/s"
    )


if __name__ == "__main__":
    main()
