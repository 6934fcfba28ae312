"""SQL of the sweeper: no job runs without a sign of life, and none waits without a message.

Rows that somebody else holds at this moment are left for the next round, so that a process that is
frozen in the middle of a transaction cannot stop the sweeper. Several sweepers do no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, text, update
from sqlalchemy.orm import Session

from service.database.leases import LeaseTerms, lease_ended, note_lost_leases
from service.database.tables import RUNNING, WAITING, Job, JobStage

EXHAUSTED_CODE: Final = "job.attempts_exhausted"
MOST_SENT_AGAIN: Final = 100
"""Of each stage, so many jobs can have a message too many in the broker each time."""
EXHAUSTED_DETAIL: Final = (
    "The work on this video stopped {attempts} times without getting any further, so it was given"
    " up. The file may be damaged; please try another copy, or ask whoever runs this service."
)


@dataclass(frozen=True)
class Message:
    """A wake-up to be sent.

    Attributes:
        job_id: The job.
        stage: What it waits for: says which queue.
    """

    job_id: UUID
    stage: JobStage


@dataclass(frozen=True)
class Swept:
    """What a round of the sweeper did.

    Attributes:
        requeued: Jobs whose worker gave no sign of life in time: they wait again.
        failed: Jobs that used up their attempts.
        canceled: Jobs that were to be cancelled and have no worker that could read the flag.
        to_send: Messages to be sent once the session has committed.
    """

    requeued: tuple[UUID, ...]
    failed: tuple[UUID, ...]
    canceled: tuple[UUID, ...]
    to_send: tuple[Message, ...]


def sweep(session: Session, *, now: datetime, terms: LeaseTerms, limit: int = 1000) -> Swept:
    """Take jobs from workers that are gone, and find those whose message may be lost.

    One round changes at most `limit` jobs of each kind.
    """
    waiting, running = text(WAITING), text(RUNNING)  # word for word, so that the indexes are used
    expired = _change(session, and_(running, Job.lease_until < now), limit, lease_ended(now))
    note_lost_leases(session, [message.stage for message in expired], now=now)
    canceled = _change(
        session, and_(waiting, Job.cancel_requested.is_(True)), limit,
        {"state": "canceled", "finished_at": now},
    )  # fmt: skip
    failed = _change(
        session, and_(waiting, Job.attempt >= terms.attempts), limit,
        {"state": "failed", "finished_at": now, "error_code": EXHAUSTED_CODE}
        | {"error_detail": EXHAUSTED_DETAIL.format(attempts=terms.attempts)},
    )  # fmt: skip
    old = Job.sent_at < now - timedelta(seconds=terms.resend_s)
    lost = or_(
        Job.sent_at.is_(None),
        and_(old, or_(_is_near_its_turn("extract"), _is_near_its_turn("preview"))),
    )
    to_send = _change(session, and_(waiting, lost), limit, {"sent_at": now})
    ended = {message.job_id for message in (*canceled, *failed)}
    return Swept(
        requeued=tuple(each.job_id for each in expired if each.job_id not in ended),
        failed=tuple(message.job_id for message in failed),
        canceled=tuple(message.job_id for message in canceled),
        to_send=tuple(to_send),
    )


def _is_near_its_turn(stage: JobStage) -> ColumnElement[bool]:
    """Whether a job is among those that have waited longest for this stage.

    A message that is old may be lost, or its job may only have many before it: were all of them
    sent again and again, the broker would fill up.
    """
    first = (
        select(Job.id)
        .where(text(WAITING), Job.stage == stage)
        .order_by(Job.queued_at)
        .limit(MOST_SENT_AGAIN)
    )
    return Job.id.in_(first)


def _change(
    session: Session, wanted: ColumnElement[bool], limit: int, values: dict[str, object]
) -> Sequence[Message]:
    """Change the jobs that nobody holds at this moment, longest waiting first, in one statement."""
    due = (
        select(Job.id)
        .where(wanted)
        .order_by(Job.queued_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    query = update(Job).where(Job.id.in_(select(due.c.id)), wanted).values(values)
    rows = session.execute(
        query.returning(Job.id, Job.stage), execution_options={"synchronize_session": False}
    )
    return [Message(job_id, stage) for job_id, stage in rows]
