"""Turn conversations written by hand (evaluation/README.md) into evaluation/<split>/<lang>.jsonl and labels.jsonl.

    python tools/scenario.py DRAFTS evaluation

DRAFTS holds <lang>/<id>.txt. Every file is checked; one error and nothing is written. The split follows from the id.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

RISKS = ("grooming", "sextortion", "meeting", "image_selling", "none")
LANGUAGES = ("en", "ms", "ta", "zh")
LINE = re.compile(
    r"(?P<onset>\* )?(?:(?P<date>\d{4}-\d\d-\d\d) )?(?P<time>\d\d:\d\d) (?P<author>[^\s:]+): (?P<text>.+)"
)
# Last number of train and of dev, in each family of briefs; the rest is test. Every third brief after the first plan
# (r19, s27 and on) goes by its number: 1 train, 2 dev, 0 test.
SPLITS = {"r": (7, 11, 18), "s": (9, 15, 26)}


def split_of(identifier: str) -> str:
    """The split a brief belongs to, in every language."""
    train, dev, planned = SPLITS[identifier[0]]
    number = int(identifier[1:])
    if number > planned:
        return ("test", "train", "dev")[(number - planned) % 3]
    return "train" if number <= train else "dev" if number <= dev else "test"


def parse(path: Path) -> tuple[dict[str, str], list[dict[str, object]], int | None]:
    """Header, messages and onset of one file. Raises: ValueError naming file and line."""
    head, _, body = path.read_text(encoding="utf-8").partition("\n---\n")
    header = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    for key in ("id", "lang", "child", "child_age", "platform", "risk", "title"):
        if key not in header:
            raise ValueError(f"{path}: no {key} in its header")
    if header["id"] != path.stem or header["lang"] != path.parent.name or header["risk"] not in RISKS:
        raise ValueError(f"{path}: id, lang or risk does not fit")
    conversation = f"{header['lang']}-{header['id']}"
    messages: list[dict[str, object]] = []
    onset: int | None = None
    date = ""
    last = ""
    for number, line in enumerate(body.splitlines(), len(head.splitlines()) + 2):
        if not line.strip():
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise ValueError(f"{path}: line {number}: not `[* ][date ]HH:MM author: text`")
        date = found["date"] or date
        time = f"{date}T{found['time']}"
        if not date or time < last:
            raise ValueError(f"{path}: line {number}: no date yet, or time runs back")
        # Several in one minute keep their order.
        second = sum(1 for one in messages if str(one["time"]).startswith(time))
        last = time
        if found["onset"]:
            if onset is not None:
                raise ValueError(f"{path}: line {number}: a second onset")
            onset = len(messages)
        messages.append(
            {
                "conversation": conversation,
                "author": found["author"],
                "time": f"{time}:{second:02d}+08:00",
                "platform": header["platform"],
                "text": found["text"],
            }
        )
    if (onset is None) != (header["risk"] == "none"):
        raise ValueError(f"{path}: a risky conversation has one onset, a safe one none")
    if header["child"] not in {one["author"] for one in messages}:
        raise ValueError(f"{path}: the child says nothing")
    return header, messages, onset


def main() -> int:
    """Exit 1 and write nothing if any file is wrong."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("drafts", type=Path)
    arguments.add_argument("evaluation", type=Path)
    chosen = arguments.parse_args()
    files = sorted(path for language in LANGUAGES for path in (chosen.drafts / language).glob("[rs][0-9]*.txt"))
    texts: dict[Path, list[str]] = {}
    wrong = 0
    for path in files:
        try:
            header, messages, onset = parse(path)
        except ValueError as error:
            print(error, file=sys.stderr)
            wrong += 1
            continue
        folder = chosen.evaluation / split_of(path.stem)
        texts.setdefault(folder / f"{path.parent.name}.jsonl", []).extend(
            json.dumps(message, ensure_ascii=False) for message in messages
        )
        label = {
            "conversation": messages[0]["conversation"],
            "child": header["child"],
            "child_age": int(header["child_age"]),
            "language": header["lang"],
            "risk": header["risk"],
            "onset": onset,
            "scenario": header["id"],
            "title": header["title"],
        }
        texts.setdefault(folder / "labels.jsonl", []).append(json.dumps(label, ensure_ascii=False))
    if wrong:
        return 1
    for target, lines in texts.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(files)} conversations")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
