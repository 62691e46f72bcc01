"""What is kept: the household's encrypted store, its audit and its keys (docs/store.md)."""

from __future__ import annotations

from jaga.store._alerts import AlertMessage, Answer, alert_messages, answer_alert, load_assessment, withdraw_answer
from jaga.store._audit import audit, broken_lines
from jaga.store._backup import backup, restore
from jaga.store._database import Store, home_folder
from jaga.store._erase import Erased, erase_child, protect_contact
from jaga.store._export import export_family
from jaga.store._families import BANDS, add_account, add_child, add_family, tell_child
from jaga.store._ingest import Imported, import_paths, queue_import, run_imports
from jaga.store._keys import STANDARD, Cost, Keys, recovery_code
from jaga.store._rekey import change_key
from jaga.store._retention import drop_expired
from jaga.store._settings import FamilySettings, change_settings, settings_of

__all__ = [
    "BANDS",
    "STANDARD",
    "AlertMessage",
    "Answer",
    "Cost",
    "Erased",
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
    "backup",
    "broken_lines",
    "change_key",
    "change_settings",
    "drop_expired",
    "erase_child",
    "export_family",
    "home_folder",
    "import_paths",
    "load_assessment",
    "protect_contact",
    "queue_import",
    "recovery_code",
    "restore",
    "run_imports",
    "settings_of",
    "tell_child",
    "withdraw_answer",
]
