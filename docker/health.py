"""Whether what runs in this container is well, by exit status: python health.py api|worker."""

import socket
import sys
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from service.database.engine import Database, current_time
from service.database.workers import list_workers
from service.errors import ServiceError
from service.settings import Settings

PATIENCE_S: Final = 4.0


def ask_api(settings: Settings) -> None:
    """Come back when the API of this machine answers.

    Raises:
        OSError: It does not.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(f"http://127.0.0.1:{settings.port}/healthz", timeout=PATIENCE_S).close()


def look_for_worker(settings: Settings) -> None:
    """Come back when a worker of this machine was seen within a lease.

    Raises:
        LookupError: None was.
        ServiceError: The database does not say.
    """
    database = Database(
        settings.database_url.get_secret_value(), pool_size=1, patience_s=PATIENCE_S
    )
    with database.read() as session:
        since = current_time(session) - timedelta(seconds=settings.lease_s)
        seen = list_workers(session, seen_after=since)
    host = socket.gethostname()
    if not any(f"@{host}:" in worker.id for worker in seen):
        raise LookupError(f"no worker of {host} was seen within {settings.lease_s:g} s")


CHECKS: Final[dict[str, Callable[[Settings], None]]] = {
    "api": ask_api,
    "worker": look_for_worker,
}

if __name__ == "__main__":
    try:
        CHECKS[sys.argv[1]](Settings.read())
    except (LookupError, OSError, ServiceError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
