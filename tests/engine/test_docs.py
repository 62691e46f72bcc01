"""The examples of docs/engine.md run as they stand, one after the other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from jaga import Engine

PAGE = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/engine.md", "exec"), names)
    assert names["told"]


def test_every_public_call_is_on_the_page() -> None:
    public = [name for name in vars(Engine) if not name.startswith("_") and callable(getattr(Engine, name))]
    assert {"observe", "restore", "forget"} <= set(public)
    assert [name for name in public if f"{name}(" not in PAGE] == []
    assert [name for name in inspect.signature(Engine).parameters if f"{name}=" not in PAGE] == ["model", "detectors"]
