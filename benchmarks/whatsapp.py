"""WhatsApp text: reading beside chatpack and whatstk in one run, then the whole of `jaga check`. Prints rates and ratios.

    .venv/bin/python benchmarks/whatsapp.py [MESSAGES]           # beside the peers
    .venv/bin/python benchmarks/whatsapp.py MESSAGES alone       # jaga check only, with its peak memory

The text avoids the words at which chatpack drops messages, so that all three read the same number of them.
"""

from __future__ import annotations

import datetime as dt
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jaga.family import check
from jaga.records import Message
from jaga.sources import Context, read_path, zone_of

CONTEXT = Context(zone=zone_of("+08:00"), zone_name="+08:00")
WORDS = [
    "ok",
    "la",
    "jom",
    "makan",
    "nanti",
    "esok",
    "sekolah",
    "haha",
    "bola",
    "match",
    "done",
    "homework",
    "math",
    "wei",
    "camne",
    "tu",
    "cikgu",
    "cakap",
    "mana",
    "pergi",
    "kelas",
    "petang",
    "ni",
    "sure",
    "boleh",
]


def make(path: Path, count: int) -> None:
    """An invented Android chat, 24 h, dd/mm/yyyy, from a fixed seed."""
    chance = random.Random(2)
    at = dt.datetime(2023, 1, 13, 8)
    with path.open("w", encoding="utf-8") as out:
        for _ in range(count):
            at += dt.timedelta(seconds=chance.randint(1, 60))
            author = chance.choice(("Aina", "Ben Tan"))
            words = " ".join(chance.choices(WORDS, k=chance.randint(1, 12)))
            out.write(f"{at:%d/%m/%Y, %H:%M} - {author}: {words}\n")


def rate(count: int, work: Callable[[], int]) -> float:
    start = time.perf_counter()
    done = work()
    spent = time.perf_counter() - start
    if done != count:
        print(f"  (read {done} of {count})")
    return count / spent


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "_chat.txt"
        make(path, count)
        if sys.argv[2:] == ["alone"]:
            whole = rate(count, lambda: check([path], CONTEXT, child=["Aina"]).messages)
            main, reader = (
                resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            )
            print(f"check: {whole:,.0f}/s; peak {main:.0f} MiB in the main process, {reader:.0f} MiB in the reader")
            return
        import chatpack
        from whatstk import WhatsAppChat

        ours, pack, stk = [], [], []
        for _ in range(3):
            ours.append(rate(count, lambda: sum(isinstance(one, Message) for one in read_path(path, CONTEXT))))
            pack.append(rate(count, lambda: len(chatpack.parse_whatsapp(str(path)))))
            stk.append(rate(count, lambda: len(WhatsAppChat.from_source(str(path)).df)))
        jaga, chat, what = (sorted(values)[1] for values in (ours, pack, stk))
        print(f"read: jaga {jaga:,.0f}/s, chatpack {chat:,.0f}/s, whatstk {what:,.0f}/s (medians of 3)")
        print(f"read: jaga/chatpack {jaga / chat:.2f}, jaga/whatstk {jaga / what:.2f}")
        whole = rate(count, lambda: check([path], CONTEXT, child=["Aina"]).messages)
        print(f"check: {whole:,.0f}/s")


if __name__ == "__main__":
    main()
