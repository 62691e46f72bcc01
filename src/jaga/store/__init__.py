"""What is kept: the household's encrypted store, its audit and its keys (docs/store.md)."""

from __future__ import annotations

from jaga.store._alerts import AlertMessage, Answer, alert_messages, answer_alert, load_assessment
from jaga.store._audit import audit, broken_lines
from jaga.store._database import Store, home_folder
from jaga.store._families import BANDS, add_account, add_child, add_family, tell_child
from jaga.store._ingest import Imported, import_paths, queue_import, run_imports
from jaga.store._keys import Keys, recovery_code
from jaga.store._settings import FamilySettings, change_settings, settings_of

__all__ = [
    "BANDS",
    "AlertMessage",
    "Answer",
    "FamilySettings",
    "Imported",
    "Keys",
    "Store",
    "add_account",
    "add_child",
    "add_family",
    "alert_messages",
    "answer_alert",
    "audit",
    "broken_lines",
    "change_settings",
    "home_folder",
    "import_paths",
    "load_assessment",
    "queue_import",
    "recovery_code",
    "run_imports",
    "settings_of",
    "tell_child",
]
