"""Alembic runs this for every command; `migrations.upgrade` and its like hand the connection in."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from service.database.columns import UtcDateTime
from service.database.tables import Base


def render_item(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """Draft migrations in SQLAlchemy's own types: a version must not change when ours do."""
    moment = kind == "type" and isinstance(item, UtcDateTime)
    return "sa.DateTime(timezone=True)" if moment else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_item=render_item,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
