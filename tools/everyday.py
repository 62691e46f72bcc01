"""Lay out real everyday talk for learning what is nothing, and for counting false alarms on conversations nobody chose.

    python tools/everyday.py [FOLDER]      (called by `make model` and `make everyday`)

The conversations are the BYU Chit-Chat Challenge's (7,168 talks between strangers at a university, 2018-19; MIT licence; the package
`chitchat_dataset` brings them): real people, typing what they liked. They are not shipped. One in four, by the hash of its id, is
for learning (FOLDER/train); the rest is only ever measured on (FOLDER/measure). Every talk has one side that stands for the
child: whoever did not begin.
"""

from __future__ import annotations

import argparse
import json
import zlib
from importlib import metadata, resources
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Shorter ones hold no conversation.
_FEWEST = 4


def main() -> int:
    """Write FOLDER/{train,measure}/en.jsonl and labels.jsonl."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "everyday")
    chosen = arguments.parse_args()
    source = resources.files("chitchat_dataset") / "dataset.json"
    talks: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    counts = {"train": 0, "measure": 0}
    files = {
        (part, name): _open(chosen.folder / part / name) for part in counts for name in ("en.jsonl", "labels.jsonl")
    }
    for identifier, talk in sorted(talks.items()):
        messages = [one for run in talk["messages"] for one in run if one["text"].strip()]
        people = list(dict.fromkeys(one["sender"] for one in messages))
        if len(messages) < _FEWEST or len(people) != 2:
            continue
        part = "train" if zlib.crc32(identifier.encode()) % 4 == 0 else "measure"
        counts[part] += 1
        for one in messages:
            row = {
                "conversation": f"chat-{identifier}",
                "author": one["sender"],
                "time": one["timestamp"],
                "text": one["text"],
                "platform": "chitchat",
            }
            files[part, "en.jsonl"].write(json.dumps(row, ensure_ascii=False) + "\n")
        label = {
            "conversation": f"chat-{identifier}",
            "child": people[1],
            "language": "en",
            "risk": "none",
            "scenario": f"chat-{identifier}",
        }
        files[part, "labels.jsonl"].write(json.dumps(label) + "\n")
    for file in files.values():
        file.close()
    print(f"chitchat_dataset {metadata.version('chitchat_dataset')}: {counts}")
    return 0


def _open(path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
