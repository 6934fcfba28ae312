"""SQL of figures for the metrics."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.database.tables import Job, LostLease


def recent_speeds(session: Session, *, jobs: int = 100) -> Mapping[str, float]:
    """Frames per second of each stage, over so many jobs that succeeded last."""
    # Identifiers sort by time, so the newest are read from the end of the primary key.
    query = select(Job.frames_done, Job.timings).where(Job.state == "succeeded")
    frames: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for done, timings in session.execute(query.order_by(Job.id.desc()).limit(jobs)):
        for stage, stage_s in timings.items():
            frames[stage] += done
            seconds[stage] += stage_s
    return {stage: frames[stage] / seconds[stage] for stage in frames if seconds[stage] > 0}


def count_lost_leases(session: Session) -> Mapping[str, int]:
    """How many leases ended without a word of their worker, ever, by stage."""
    query = select(LostLease.stage, func.count().label("lost")).group_by(LostLease.stage)
    return {row.stage: row.lost for row in session.execute(query)}
