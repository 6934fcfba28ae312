"""What the routes stand on: the parts of the service, made once for each process."""

from asyncio import Semaphore
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from service.api.limits import Limits
from service.api.upload import Intake
from service.api.watching import JobWatch
from service.blobs import BlobStore
from service.database.engine import Database
from service.models import ModelCatalogue
from service.queue import JobQueue
from service.settings import Settings


@dataclass(frozen=True)
class Service:
    """The parts of a running API.

    Attributes:
        settings: As they were read at the edge.
        intake: Where uploads go.
        database: Rows.
        store: Blobs.
        queue: Messages to workers.
        models: What jobs can be done with.
        limits: How much each key may ask.
        watch: Wakes requests that wait for a job.
        registry: Figures for Prometheus.
        turns: So many downloads are made anew at a time, a piece each: they take the processor,
            and short requests are to get their share of it, and threads.
        looks: Threads that look how far jobs are, and do not wait for those that write.
        doors: Threads that look who asks. Few: of many requests at once, each thread would wait for
            the interpreter, and so would those that look how far jobs are.
    """

    settings: Settings
    intake: Intake
    database: Database
    store: BlobStore
    queue: JobQueue
    models: ModelCatalogue
    limits: Limits
    watch: JobWatch
    registry: CollectorRegistry
    turns: Semaphore
    looks: CapacityLimiter
    doors: CapacityLimiter


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Parts = Annotated[Service, Depends(_service)]
"""The parts of the service, for a route."""
