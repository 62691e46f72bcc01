"""Bringing a store to the schema of this Jaga: Alembic, with the migrations beside this file."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from jaga.errors import StoreError

__all__ = ["HEAD", "revision_of", "upgrade"]

# The newest one in migrations/versions; a test compares.
HEAD = "0001"


def revision_of(engine: sa.Engine) -> str | None:
    """The schema of a store; None if there is none. Raises: StoreError if it is of a later Jaga; what the database raises."""
    with engine.connect().execution_options(read_only=True) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if found is not None and str(found) > HEAD:
        raise StoreError(
            f"the store is of a later version of Jaga (schema {found}, this one knows {HEAD})", remedy="update Jaga"
        )
    return None if found is None else str(found)


def upgrade(connection: sa.Connection, to: str = HEAD) -> None:
    """Run the migrations up to `to`, in the connection's transaction: all of them or none."""
    # Alembic takes longer to load than most commands to run.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
