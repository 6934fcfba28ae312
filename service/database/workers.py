"""SQL of workers that were seen."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.tables import Worker


def worker_seen(session: Session, worker: Worker) -> None:
    """Note that a worker is alive; its row before, if any, gives way."""
    session.merge(worker)
    session.flush()


def list_workers(
    session: Session, *, seen_after: datetime, queue: str | None = None
) -> Sequence[Worker]:
    """The workers that were seen lately, by name."""
    query = select(Worker).where(Worker.seen_at > seen_after).order_by(Worker.id)
    if queue is not None:
        query = query.where(Worker.queue == queue)
    return session.scalars(query).all()


def remove_workers(session: Session, worker_ids: Sequence[str]) -> None:
    """Remove workers that have stopped: from now on they do not count as seen."""
    changed(session, delete(Worker).where(Worker.id.in_(worker_ids)))


def forget_workers(session: Session, *, seen_before: datetime) -> bool:
    """Forget the workers that were not seen for long; whether there were any."""
    return changed(session, delete(Worker).where(Worker.seen_at < seen_before))
