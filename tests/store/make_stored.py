"""Makes the stores of released schemas that test_schema opens: `python -m tests.store.make_stored`, once, when a schema is released.

An encrypted store with one family, one child who was told, a talk that gave alerts and an answer. A stored one is never made anew: it is there to
be what an older Jaga left.
"""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from jaga.sources import gather
from jaga.store import Store, _ingest, add_child, add_family, answer_alert, import_paths, tell_child
from jaga.store import _tables as t
from jaga.store._upgrade import HEAD
from tests.store.house import FAST, NOW, PASSPHRASE, chat, write

CHILD = "Aina"
MESSAGES = 17
ALERTS = ("concern",)


def main() -> int:
    target = Path(__file__).parent / "fixtures" / f"schema-{int(HEAD)}"
    if target.exists():
        sys.stderr.write(f"{target} is there already: a released schema stays as it is\n")
        return 2
    _ingest.gather = functools.partial(gather, isolated=False)  # type: ignore[attr-defined]
    store = Store.create(target, PASSPHRASE, slot="siti", cost=FAST)
    with store.session() as session:
        family = add_family(session, "Rahman", zone="Asia/Kuala_Lumpur", country="my", now=NOW)
        child = add_child(session, family.id, CHILD, band="13-15", accounts=[(None, "aina")], by=None, now=NOW)
        tell_child(session, child.id, by=None, now=NOW)
    with tempfile.TemporaryDirectory() as folder:
        result = import_paths(store, child.id, [write(Path(folder) / "chat.jsonl", chat())], now=NOW, by=None)
    with store.session() as session:
        levels = session.scalars(sa.select(t.Alert.level).order_by(t.Alert.id)).all()
        answer_alert(session, result.alerts[0], "talked", by=1, reason="we talked", now=NOW)
    store.close()
    for left in ("importing.lock", "jaga.db-wal", "jaga.db-shm"):
        (target / left).unlink(missing_ok=True)
    if tuple(levels) != ALERTS or result.new != MESSAGES:
        shutil.rmtree(target)
        sys.stderr.write(f"the talk gave {levels} and {result.new} messages: say so in ALERTS and MESSAGES\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
