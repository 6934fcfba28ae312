"""Messages to workers, after the commit."""

import logging

from service.api.context import Service
from service.database.tables import Job
from service.errors import QueueUnavailableError
from service.jobs import message_failed

_log = logging.getLogger(__name__)


def send_message(service: Service, job: Job) -> None:
    """Wake a worker for a job that was queued; where the broker is away, the sweeper will.

    Raises:
        DatabaseUnavailableError: Neither broker nor database answers.
    """
    try:
        service.queue.send(job.id, job.stage)
    except QueueUnavailableError as error:
        _log.warning("a message was not sent, the sweeper will: %s", error)
        with service.database.write() as session:
            message_failed(session, job.tenant_id, job.id)
