"""SQL of waiting: whether jobs have changed, for many that wait at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.tables import Job


def read_revisions(session: Session, job_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """The revisions of the jobs that there are."""
    query = select(Job.id, Job.revision).where(Job.id.in_(job_ids))
    return {row.id: row.revision for row in session.execute(query)}
