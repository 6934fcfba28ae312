"""The app: the parts of the service, the routes, and what stands around them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from anyio import CapacityLimiter
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.api import (
    documentation,
    events,
    frames,
    health,
    jobs,
    keypoints,
    metrics,
    models,
    results,
    videos,
)
from service.api.context import Service
from service.api.edge import RequestEdge
from service.api.limits import Limits
from service.api.metrics import JobMetrics, RequestMetrics
from service.api.problems import Problem, answer_errors
from service.api.schemas import EXAMPLES
from service.api.upload import Intake
from service.api.watching import JobWatch
from service.blobs import BlobStore, open_store
from service.database.engine import Database
from service.jobs import JobRequest
from service.models import ModelCatalogue
from service.queue import JobQueue
from service.settings import Settings

_ROUTERS: Final = (
    videos.router, jobs.router, events.router, keypoints.router, frames.router, results.router,
    models.router, health.router, metrics.router, documentation.router,
)  # fmt: skip
_SUMMARY: Final = """\
Upload a recording of an infant lying on its back; get 21 keypoints a frame, and a preview in which
nobody can be recognised. Every request but those for health and documentation needs an API key:
`Authorization: Bearer aggpose_...`. Errors are problem documents (RFC 9457) with a stable `code`.
"""


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    store: BlobStore | None = None,
    queue: JobQueue | None = None,
) -> FastAPI:
    """The API over the parts that the settings name; those that are given are used instead.

    The parts are closed when the app's lifespan ends.

    Raises:
        DatabaseUrlError: The database's address is not one.
        BlobStoreUrlError: The blob store's address is not one.
        BlobUnavailableError: The blobs' folder cannot be made.
        QueueUnavailableError: The broker's folder cannot be made.
    """
    database = database or Database(settings.database_url.get_secret_value())
    limits = Limits(
        requests_per_minute=settings.key_requests_per_minute,
        uploads_per_hour=settings.key_uploads_per_hour,
    )
    store = store or open_store(settings.blob_url, s3=settings.s3_access())
    service = Service(
        settings=settings,
        intake=Intake(store, settings.max_upload_bytes, CapacityLimiter(_writers(settings))),
        database=database,
        store=store,
        queue=queue or JobQueue(settings),
        models=ModelCatalogue(settings.models_dir),
        limits=limits,
        watch=JobWatch(database),
        registry=CollectorRegistry(),
        turns=asyncio.Semaphore(2),
        looks=CapacityLimiter(4),
        doors=CapacityLimiter(8),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.queue.close()
        service.store.close()
        service.database.close()

    app = FastAPI(
        title="AggPose service",
        version=version("aggpose-service"),
        description=_SUMMARY,
        lifespan=lifespan,
        docs_url=None,  # Swagger UI from other machines: see documentation.py
        redoc_url=None,
        redirect_slashes=False,  # to an address that the Host header makes
    )
    app.state.service = service
    for router in _ROUTERS:
        app.include_router(router)
    answer_errors(app)
    app.add_middleware(RequestEdge, metrics=RequestMetrics(service.registry))
    service.registry.register(JobMetrics(database, seen_s=settings.lease_s))
    _document_problems(app)
    return app


def _writers(settings: Settings) -> int:
    """How many threads write uploads: few, for they take the interpreter; more where they wait."""
    processors = len(os.sched_getaffinity(0))
    most = min(processors, 4) if settings.blob_url.startswith("file:") else 32
    return max(2, most)


def _document_problems(app: FastAPI) -> None:
    """Add the schemas to which routes' documentation refers by name, and whole examples."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for kind in (Problem, JobRequest):
            schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {kind.__name__: schema}
        for model in EXAMPLES:  # FastAPI leaves the nulls of examples out
            schemas[model.__name__]["examples"] = model.model_json_schema()["examples"]
        return document

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it
