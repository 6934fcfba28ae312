"""The API in an event loop of its own, without sockets, asked one request after another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from service.api.app import create_app
from service.api.context import Service
from service.database.engine import current_time
from service.database.tables import Worker
from service.database.workers import worker_seen
from service.keys import SCOPES, Scope, create_key
from service.settings import Settings
from tests.service_rows import NOW

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"film" * 2000
"""Begins as an MP4 does."""


@dataclass
class Api:
    """A running app, and the keys to it."""

    app: FastAPI
    portal: BlockingPortal
    client: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        """The app's parts."""
        return cast("Service", self.app.state.service)

    def key(self, tenant: str = "ward 3", *scopes: Scope) -> str:
        """A key of a tenant, with these scopes or all."""
        name = f"{tenant}:{scopes}"
        if name not in self.keys:
            with self.service.database.write() as session:
                made = create_key(
                    session, tenant=tenant, name="test", scopes=scopes or SCOPES, now=NOW
                )
            self.keys[name] = made.text
        return self.keys[name]

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
        **more: Any,  # noqa: ANN401 - as httpx has them
    ) -> httpx.Response:
        """One request, by the first tenant's key when none is given; None for no key."""
        bearer = {} if key is None else {"Authorization": f"Bearer {key or self.key()}"}

        async def request() -> httpx.Response:
            return await self.client.request(method, path, headers=bearer | (headers or {}), **more)

        return self.portal.call(request)

    def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - likewise
        """Ask for something."""
        return self.ask("GET", path, **more)

    def upload(
        self,
        content: bytes = MP4,
        *,
        fields: dict[str, str] | None = None,
        query: str = "",
        **more: Any,  # noqa: ANN401 - likewise
    ) -> httpx.Response:
        """Upload a video."""
        files = {"file": ("Anna Example.mp4", content, "text/plain")}
        return self.ask("POST", f"/v1/videos{query}", files=files, data=fields or {}, **more)

    def job(self, **more: Any) -> UUID:  # noqa: ANN401 - likewise
        """Upload a video and start a job."""
        answer = self.upload(query="?extract=true", **more)
        assert answer.status_code in (200, 201), answer.text
        return UUID(answer.json()["job"]["id"])


def blobs(api: Api) -> list[str]:
    """All keys in the store, and the parts that are still being written."""
    folder = api.service.settings.data_dir / "blobs"
    return [*api.service.store.keys(), *(path.name for path in folder.glob(".parts/*"))]


@contextmanager
def running_api(settings: Settings) -> Iterator[Api]:
    """An app over migrated tables, from its start to its end."""
    app = create_app(settings)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        portal.wrap_async_context_manager(_client(app)) as client,
    ):
        yield Api(app, portal, client)


def _client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service", timeout=30)


def see_workers(api: Api, ago_s: float = 0) -> None:
    """A worker of each queue was seen."""
    with api.service.database.write() as session:
        now = current_time(session) - timedelta(seconds=ago_s)
        for queue in ("extract", "preview"):
            row = Worker(
                id=f"{queue}@here", queue=queue, device="cpu", engine="openvino", started_at=now,
                seen_at=now,
            )  # fmt: skip
            worker_seen(session, row)
