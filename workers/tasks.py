"""The tasks by their names; each takes a job's id as text, and does what the job's row says."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from celery import Celery
from celery.exceptions import Reject

from service.database.tables import JobStage
from service.errors import DatabaseUnavailableError
from service.queue import EXTRACT_TASK, PREVIEW_TASK
from workers.workplace import Workplace

STAGE_OF: Final[dict[str, JobStage]] = {EXTRACT_TASK: "extract", PREVIEW_TASK: "preview"}


def add_tasks(app: Celery, workplace: Callable[[], Workplace]) -> None:
    """Add the tasks to an application.

    Args:
        app: The worker's.
        workplace: Gives the process' own.
    """
    for name, stage in STAGE_OF.items():
        _add_task(app, name, stage, workplace)


def _add_task(app: Celery, name: str, stage: JobStage, workplace: Callable[[], Workplace]) -> None:
    def run(task: Any, job_id: str) -> None:  # noqa: ANN401 - Celery's
        tag = (task.request.properties or {}).get("delivery_tag")
        try:
            workplace().do(stage, UUID(job_id), delivery_tag=tag)
        except DatabaseUnavailableError as error:
            raise Reject(str(error), requeue=True) from error

    app.task(run, name=name, bind=True, typing=False)
