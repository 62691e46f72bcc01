"""Labelled conversations: neutral `jsonl` messages and, beside them, one labels file (docs/schema/labels-1.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta, timezone
from pathlib import Path

import msgspec

from jaga.errors import UnreadableInput
from jaga.records import Conversation, Message, Problem
from jaga.sources import Context, gather

__all__ = ["LABELS", "Label", "Scenario", "load_scenarios"]

LABELS = "labels.jsonl"
# Every time in the file states its offset; the zone only says what "night" is.
ZONE = timezone(timedelta(hours=8))


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people know about one conversation."""

    conversation: str
    # Author id of the child.
    child: str
    language: str
    # grooming, sextortion, meeting, image_selling, ... or "none" for a safe conversation.
    risk: str
    # 0-based position, among the conversation's messages in time order, of the first message at which an informed adult
    # reading along would want to be told; null when safe.
    onset: int | None = None
    # The brief it was written from. Conversations of one scenario never stand in two splits.
    scenario: str = ""
    child_age: int | None = None
    title: str = ""

    @property
    def risky(self) -> bool:
        """True unless it is labelled safe."""
        return self.risk != "none"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled conversation with its messages in time order."""

    label: Label
    conversation: Conversation
    messages: tuple[Message, ...]


def load_scenarios(paths: Iterable[Path]) -> Iterator[Scenario]:
    """Yield the labelled conversations of each folder, in the order of its labels file.

    Raises: UnreadableInput, naming file and line: figures over part of a set would be other figures, so nothing is skipped.
    """
    for path in paths:
        labels = _labels(path / LABELS)
        messages = sorted(file for file in path.glob("*.jsonl") if file.name != LABELS)
        if not messages:
            raise UnreadableInput(
                "holds no messages", where=str(path), remedy="put the conversations beside it as *.jsonl"
            )
        gathered = gather(messages, Context(zone=ZONE, zone_name="+08:00"), isolated=False)
        try:
            problems: list[Problem] = [
                problem for item in gathered.inputs for problem in item.problems if not problem.note
            ]
            if problems:
                raise UnreadableInput(problems[0].what, where=problems[0].where)
            by_conversation: dict[str, list[Message]] = {}
            for message in gathered.messages():
                by_conversation.setdefault(message.conversation, []).append(message)
        finally:
            gathered.close()
        for label in labels:
            found = by_conversation.get(label.conversation)
            if not found:
                raise UnreadableInput(
                    f"labels a conversation {label.conversation} that no file here holds", where=str(path / LABELS)
                )
            if label.onset is not None and not 0 <= label.onset < len(found):
                raise UnreadableInput(
                    f"{label.conversation}: onset {label.onset} is outside its {len(found)} messages",
                    where=str(path / LABELS),
                )
            yield Scenario(label=label, conversation=gathered.conversations[label.conversation], messages=tuple(found))


def _labels(path: Path) -> list[Label]:
    decoder = msgspec.json.Decoder(Label)
    labels: list[Label] = []
    seen: set[str] = set()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UnreadableInput(
            f"cannot be read: {error.strerror}", where=str(path), remedy="name a folder that holds a labels.jsonl"
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            label = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableInput(f"is not a label: {error}", where=where) from None
        if label.risky and label.onset is None:
            raise UnreadableInput(f"{label.conversation} is risky but has no onset", where=where)
        if label.conversation in seen:
            raise UnreadableInput(f"{label.conversation} is labelled twice", where=where)
        seen.add(label.conversation)
        labels.append(label)
    return labels
