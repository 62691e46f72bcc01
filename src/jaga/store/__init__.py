"""What is kept: the household's encrypted store, its audit and its keys."""

from __future__ import annotations

from jaga.store._audit import audit, broken_lines
from jaga.store._database import Store, home_folder
from jaga.store._keys import Keys, recovery_code

__all__ = ["Keys", "Store", "audit", "broken_lines", "home_folder", "recovery_code"]
