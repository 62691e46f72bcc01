from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaga.errors import UnreadableInput
from jaga.evaluate import judge, load_scenarios


def write(folder: Path, *, onset: int | None = 1, conversation: str = "c") -> Path:
    lines = [
        {"conversation": "c", "author": "x", "time": "2026-01-01T10:00:00+08:00", "text": "hi"},
        {"conversation": "c", "author": "x", "time": "2026-01-01T10:01:00+08:00", "text": "dont tell your mum"},
        {"conversation": "c", "author": "kid", "time": "2026-01-01T10:02:00+08:00", "text": "why"},
    ]
    folder.mkdir(exist_ok=True)
    (folder / "en.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    label = {"conversation": conversation, "child": "kid", "language": "en", "risk": "grooming", "onset": onset}
    (folder / "labels.jsonl").write_text(json.dumps(label) + "\n", encoding="utf-8")
    return folder


def test_reads_and_judges(tmp_path: Path) -> None:
    (scenario,) = load_scenarios([write(tmp_path)])
    assert [message.text for message in scenario.messages] == ["hi", "dont tell your mum", "why"]
    (verdict,) = judge([scenario])
    assert verdict.onset == 1
    assert verdict.alert is None  # one signal alone tells nobody
    assert 0 < verdict.score < 1


@pytest.mark.parametrize("wrong", [{"onset": None}, {"onset": 3}, {"conversation": "other"}])
def test_a_wrong_label_names_its_place(tmp_path: Path, wrong: dict[str, object]) -> None:
    write(tmp_path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(UnreadableInput, match=r"labels\.jsonl"):
        list(load_scenarios([tmp_path]))


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match=r"labels\.jsonl"):
        list(load_scenarios([tmp_path]))
