"""Turn conversations written in the short form into evaluation/<split>/<lang>.jsonl, labels.jsonl and tactics.ndjson.

    python tools/drafts.py DRAFTS [evaluation]

DRAFTS holds <lang>/*.txt, each with any number of conversations (evaluation/README.md, "Short form"). Every one is checked;
without the second argument that is all. With it, one error and nothing is written; else the conversations are added.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ms", "ta", "zh")
RISKS = ("grooming", "sextortion", "meeting", "image_selling", "none")
TACTICS = frozenset(
    path.parent.name for path in (Path(__file__).parents[1] / "src/jaga/tactics").glob("*/tactic.toml")
)  # fmt: skip
# Done by the child; every other mark stands on a line of somebody else.
BY_CHILD = frozenset(("asking_help", "compliance", "distress", "offering_images", "personal_data", "refusal"))
TIME = re.compile(r"@ ?(?P<date>\d{4}-\d\d-\d\d)? ?(?P<time>\d\d:\d\d)")
LINE = re.compile(r"(?P<onset>\*)?(?P<who>[A-H])(?: (?P<text>.*))?")
MARKS = re.compile(r"\s+#(?P<marks>[a-z_]+(?:,[a-z_]+)*)$")


def split_of(identifier: str) -> str:
    """The split of a further brief: what is numbered from 900 on is dev, the rest train. None of them is ever test."""
    return "dev" if int(identifier.rpartition("-")[2]) >= 900 else "train"


def conversations(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each `=== ID` block."""
    number = 0
    block: list[str] = []
    for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("==="):
            if block:
                yield number, "\n".join(block)
            number, block = at, []
        if number:
            block.append(line)
    if block:
        yield number, "\n".join(block)


def parse(text: str, language: str) -> tuple[dict[str, str], list[dict[str, Any]], int | None, dict[int, list[str]]]:
    """Header, messages, onset, marks by message. Raises: ValueError with the line within the block."""
    lines = text.splitlines()
    header = {"id": lines[0].strip("= ").strip()}
    people: dict[str, str] = {}
    at = 1
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        if line.startswith("@") or not colon:
            break
        if re.fullmatch("[A-H]", key):
            people[key] = value.strip().replace(" ", "_")
        else:
            header[key] = value.strip()
        at += 1
    for key in ("age", "platform", "risk", "title"):
        if not header.get(key):
            raise ValueError(f"no {key} in its header")
    if not re.fullmatch(rf"{language}-[a-z]+-\d+", header["id"]) or header["risk"] not in RISKS:
        raise ValueError("id or risk does not fit")
    if set("AB") - set(people):
        raise ValueError("people A (the contact) and B (the child) must be named")
    if len(set(people.values())) != len(people):
        raise ValueError("two people have one name")
    now: datetime | None = None
    messages: list[dict[str, Any]] = []
    marks: dict[int, list[str]] = {}
    onset = None
    for offset, line in enumerate(lines[at:], at + 1):
        line = line.rstrip()
        if not line:
            continue
        stamp = TIME.fullmatch(line)
        if stamp:
            date = stamp["date"] or (now.date().isoformat() if now else None)
            if date is None:
                raise ValueError(f"line {offset}: the first time needs a date")
            then = datetime.fromisoformat(f"{date}T{stamp['time']}:00+08:00")
            # Lines that came before may have run past the minute that was named.
            now = then if now is None or then > now else now + timedelta(seconds=20)
            continue
        found = LINE.fullmatch(line)
        if found is None or now is None or found["who"] not in people:
            raise ValueError(f"line {offset}: neither `@ date HH:MM` nor `A text`: {line[:60]}")
        body = found["text"] or ""
        tagged = MARKS.search(body)
        if tagged:
            body = body[: tagged.start()]
            names = tagged["marks"].split(",")
            for name in names:
                if name not in TACTICS:
                    raise ValueError(f"line {offset}: no tactic {name}")
                if name != "protective" and (name in BY_CHILD) != (found["who"] == "B"):
                    raise ValueError(f"line {offset}: {name} is not done by {found['who']}")
            marks[len(messages)] = names
        if not body.strip():
            raise ValueError(f"line {offset}: says nothing")
        if found["onset"]:
            if onset is not None:
                raise ValueError(f"line {offset}: a second onset")
            onset = len(messages)
        # A pause that depends on the text alone: long texts take longer to type.
        now += timedelta(seconds=4 + len(body) // 4 + zlib.crc32(body.encode()) % 40)
        messages.append(
            {
                "conversation": header["id"],
                "author": people[found["who"]],
                "time": now.isoformat(),
                "platform": header["platform"],
                "text": body.strip(),
            }
        )
    if (onset is None) != (header["risk"] == "none"):
        raise ValueError("a risky conversation has one onset, a safe one none")
    if people["B"] not in {one["author"] for one in messages} or len(messages) < 6:
        raise ValueError("the child says nothing, or it is too short")
    header["child"] = people["B"]
    return header, messages, onset, marks


def main() -> int:
    """Exit 1 and write nothing if any conversation is wrong."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("drafts", type=Path)
    arguments.add_argument("evaluation", type=Path, nargs="?")
    chosen = arguments.parse_args()
    texts: dict[Path, list[str]] = {}
    seen: set[str] = set()
    counts = {"risky": 0, "safe": 0}
    wrong = 0
    for language in LANGUAGES:
        for path in sorted((chosen.drafts / language).glob("*.txt")):
            for number, block in conversations(path):
                try:
                    header, messages, onset, marks = parse(block, language)
                    if header["id"] in seen:
                        raise ValueError("its id is taken")
                except ValueError as error:
                    print(f"{path}: line {number}: {block.splitlines()[0]}: {error}", file=sys.stderr)
                    wrong += 1
                    continue
                seen.add(header["id"])
                counts["safe" if onset is None else "risky"] += 1
                folder = (chosen.evaluation or Path()) / split_of(header["id"])
                texts.setdefault(folder / f"{language}.jsonl", []).extend(
                    json.dumps(message, ensure_ascii=False) for message in messages
                )
                label = {
                    "conversation": header["id"],
                    "child": header["child"],
                    "child_age": int(header["age"]),
                    "language": language,
                    "risk": header["risk"],
                    "onset": onset,
                    "scenario": header["id"],
                    "title": header["title"],
                }
                texts.setdefault(folder / "labels.jsonl", []).append(json.dumps(label, ensure_ascii=False))
                texts.setdefault(folder / "tactics.ndjson", []).extend(
                    json.dumps({"conversation": header["id"], "message": at, "tactics": names})
                    for at, names in sorted(marks.items())
                )
    print(f"{counts['risky']} risky, {counts['safe']} safe, {wrong} wrong")
    if wrong:
        return 1
    if chosen.evaluation:
        for target, lines in texts.items():
            with target.open("a", encoding="utf-8") as out:
                out.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
