"""Alembic's way in: runs on the connection that jaga.store._upgrade hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from jaga.store._tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, transactional_ddl=False
)
context.run_migrations()
