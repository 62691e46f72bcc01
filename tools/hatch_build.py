"""Build hook: compiles the translations, so that the wheel and the editable install carry .mo files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Translations(BuildHookInterface):  # type: ignore[misc]
    """Runs before every build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        for source in sorted(Path(self.root, "src", "jaga", "locale").glob("*/LC_MESSAGES/*.po")):
            with source.open("rb") as po:
                catalog = read_po(po)
            with source.with_suffix(".mo").open("wb") as mo:
                write_mo(mo, catalog)
