"""Figures for Prometheus: requests, counted here; jobs and workers, as the database has them."""

import os
from collections import Counter as Count
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.api.auth import Administrator
from service.api.context import Parts
from service.api.problems import documented
from service.database.engine import Database, current_time
from service.database.figures import count_lost_leases, recent_speeds
from service.database.jobs import JobCount, count_jobs
from service.database.tables import Worker
from service.database.workers import list_workers

router = APIRouter(tags=["health"])

MEDIA_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


FIGURES_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: a folder in which processes that share an address count together."""


class RequestMetrics:
    """Counts requests: of this process, or of all that share its folder of figures.

    Args:
        registry: Where the figures are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        if FIGURES_FOLDER in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library's
            registry = CollectorRegistry()  # this process' own are among those of the folder
        labels = ("method", "route", "status")
        self._requests = Counter(
            "aggpose_requests", "Requests that were answered.", labels, registry=registry
        )
        self._seconds = Histogram(
            "aggpose_request_seconds", "Seconds until a request was answered to its end.",
            ("method", "route"), buckets=_SECONDS, registry=registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        if route == "-" or method not in _METHODS:
            method = "-"  # whoever makes names up must not fill the memory
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class JobMetrics(Collector):
    """Figures of jobs and workers, read whenever they are asked for.

    Args:
        database: Where they are.
        seen_s: Workers that were seen so many seconds ago are counted.
    """

    def __init__(self, database: Database, *, seen_s: float) -> None:
        self._database = database
        self._seen_s = seen_s

    def describe(self) -> Iterator[Metric]:
        """Nothing: the figures need no look at the database before they are asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        with self._database.read() as session:
            now = current_time(session)
            counts = count_jobs(session)
            speeds = recent_speeds(session)
            lost = count_lost_leases(session)
            workers = list_workers(session, seen_after=now - timedelta(seconds=self._seen_s))
        yield from _jobs(list(counts), now)
        yield from _workers(list(workers))
        family = GaugeMetricFamily(
            "aggpose_frames_per_second",
            "Frames per second of each stage, over the last 100 jobs that succeeded.",
            labels=["stage"],
        )
        for stage, speed in speeds.items():
            family.add_metric([stage], speed)
        yield family
        losses = CounterMetricFamily(
            "aggpose_leases_lost",
            "Leases that ended because their worker gave no sign of life, ever.",
            labels=["stage"],
        )
        for stage in ("extract", "preview"):
            losses.add_metric([stage], lost.get(stage, 0))
        yield losses


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented() | {200: {"description": "Figures", "content": {"text/plain": {}}}},
)
def metrics(service: Parts, caller: Administrator) -> Response:  # noqa: ARG001 - needs the scope
    """Figures of requests, jobs and workers for Prometheus, over all tenants."""
    return Response(generate_latest(service.registry), media_type=MEDIA_TYPE)


def _jobs(counts: list[JobCount], now: datetime) -> Iterator[GaugeMetricFamily]:
    by_state = GaugeMetricFamily("aggpose_jobs", "Jobs by state.", labels=["state", "stage"])
    depth = GaugeMetricFamily("aggpose_queue_jobs", "Jobs that wait.", labels=["queue"])
    age = GaugeMetricFamily(
        "aggpose_queue_oldest_seconds", "How long the first has waited.", labels=["queue"]
    )
    for found in counts:
        by_state.add_metric([found.state, found.stage], found.count)
    waiting = {found.stage: found for found in counts if found.state == "queued"}
    for queue in ("extract", "preview"):
        first = waiting.get(queue)
        since = first.oldest_queued_at if first is not None else None
        depth.add_metric([queue], first.count if first is not None else 0)
        age.add_metric([queue], (now - since).total_seconds() if since is not None else 0)
    yield from (by_state, depth, age)


def _workers(workers: list[Worker]) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily(
        "aggpose_workers", "Workers that were seen lately.", labels=["queue", "device", "engine"]
    )
    found = Count((worker.queue, worker.device, worker.engine) for worker in workers)
    for labels, count in found.items():
        family.add_metric(list(labels), count)
    yield family
