"""SQL of deletions that were begun: which blobs are still to go."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.tables import Deletion


def add_deletion(session: Session, deletion: Deletion) -> None:
    """Note which blobs go with rows, in the transaction that deletes the rows."""
    session.add(deletion)
    session.flush()


def find_deletion(session: Session, tenant_id: UUID, resource_id: UUID) -> Deletion | None:
    """The deletion of a tenant's video or job that was begun and is not finished."""
    query = select(Deletion).where(Deletion.id == resource_id, Deletion.tenant_id == tenant_id)
    return session.scalars(query).one_or_none()


def list_deletions(session: Session, *, limit: int = 100) -> Sequence[Deletion]:
    """Deletions that are not finished, everybody's, oldest first."""
    query = select(Deletion).order_by(Deletion.begun_at, Deletion.id)
    return session.scalars(query.limit(limit)).all()


def forget_deletion(session: Session, resource_id: UUID) -> None:
    """The blobs are gone; forgetting twice is no error."""
    changed(session, delete(Deletion).where(Deletion.id == resource_id))
