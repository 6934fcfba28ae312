"""SQL of the audit: added to and read, never changed."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.pages import Cursor, Page, read_page
from service.database.tables import AuditEvent


def add_event(session: Session, event: AuditEvent) -> None:
    """Write down who did what to what; the event carries no content."""
    session.add(event)
    session.flush()


def list_events(
    session: Session, tenant_id: UUID, *, cursor: Cursor | None = None, limit: int = 50
) -> Page[AuditEvent]:
    """What happened to a tenant's things, newest first."""
    query = select(AuditEvent).where(AuditEvent.tenant_id == tenant_id)
    columns = (AuditEvent.created_at, AuditEvent.id)
    return read_page(session, query, columns, cursor=cursor, limit=limit)
