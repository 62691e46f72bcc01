"""Write the next migration of the store from what the models say now: `python -m tools.migration "What it changes"`.

Look at what it wrote: triggers, defaults for old rows and renamed columns are for a person to add. With `--first` it writes schema 1
anew, which is right only as long as that was never released.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext

from jaga.store._database import make_engine
from jaga.store._tables import Base
from jaga.store._upgrade import HEAD, upgrade

VERSIONS = Path(__file__).parent.parent / "src/jaga/store/migrations/versions"
_GUARDS = "\n\n# ---- guards"


def main(arguments: list[str]) -> int:
    first = arguments[:1] == ["--first"]
    message = "Schema 1" if first else " ".join(arguments)
    if not message:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    path = Path("/tmp/jaga-migration.db")
    path.unlink(missing_ok=True)
    engine = make_engine(path, bytes(32))
    if not first:
        with engine.begin() as connection:
            upgrade(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
        operations = produce_migrations(context, Base.metadata).upgrade_ops
        assert operations is not None
        code = render_python_code(operations)
    code = "\n".join(line for line in code.splitlines() if not line.strip().startswith("#"))
    code = re.sub(r"(?:jaga\.store\.)?_tables\.(UtcTime|Packed)\(\)", _as_stored, code)
    number = "0001" if first else f"{int(HEAD) + 1:04}"
    target = VERSIONS / f"{number}_{re.sub(r'[^a-z0-9]+', '_', message.lower()).strip('_')}.py"
    tail = ""
    if first and target.exists():
        tail = _GUARDS + target.read_text("utf-8").partition(_GUARDS)[2]
    call = "    _guard()\n" if first else ""
    target.write_text(
        f'"""{message}."""\n\nfrom __future__ import annotations\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{number}"\ndown_revision = {None if first else repr(HEAD)}\n\n\ndef upgrade() -> None:\n{code}\n{call}{tail}',
        "utf-8",
    )
    sys.stdout.write(f"{target}\n")
    return 0


def _as_stored(found: re.Match[str]) -> str:
    # A migration stays as it was released, whatever becomes of the models' own types.
    kind = sa.BigInteger if found[1] == "UtcTime" else sa.LargeBinary
    return f"sa.{kind.__name__}()"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
