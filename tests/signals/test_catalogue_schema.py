"""The catalogue's data files keep to their published JSON schema, and the schema to the loader."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from jaga.signals.catalogue import Language, Phrases, Tactic

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "catalogue-1.json"
TACTICS = Path(str(resources.files("jaga") / "tactics"))
FILES = sorted(TACTICS.glob("*/*.toml"))


def made() -> dict[str, Any]:
    """What docs/schema/catalogue-1.json must hold; to renew it, write this there."""
    _, components = msgspec.json.schema_components((Tactic, Phrases, Language), ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": components}


def test_the_schema_is_the_loaders() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == made()


def kind(path: Path) -> str:
    return "Language" if path.parent.name == "languages" else "Tactic" if path.name == "tactic.toml" else "Phrases"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_keeps_to_it(path: Path) -> None:
    schema = {**made(), "$ref": f"#/$defs/{kind(path)}"}
    jsonschema.validate(tomllib.loads(path.read_text(encoding="utf-8")), schema)


def test_a_wrong_file_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": 2}, {**made(), "$ref": "#/$defs/Phrases"})


@pytest.mark.parametrize("language", ["en", "ms", "ta", "zh"])
def test_every_tactic_has_its_examples(language: str) -> None:
    for folder in sorted(path.parent for path in TACTICS.glob("*/tactic.toml")):
        said = tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))
        assert len(set(said["prototypes"])) >= 25, folder.name
        assert len(set(said["counter_examples"])) >= 15, folder.name
        assert not set(said["prototypes"]) & set(said["counter_examples"])
