"""Blobs that no row names, because a process died between storing the one and the other.

Removing is for good, so it is careful: the identifier in a blob's key says when it was begun, and
nothing is touched that is younger than any upload lasts, older than the database itself (whoever
points a new database at a store in use must not lose what is there), or under a key that this
service did not make.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from service.blobs import BlobStore
from service.blobs.store import LEFTOVER_S
from service.database.engine import Database, current_time
from service.database.ids import made_at
from service.database.jobs import known_jobs
from service.database.tenants import first_tenant_made_at
from service.database.videos import known_videos

_OWNERS: Final[dict[str, Callable[[Session, Sequence[UUID]], set[UUID]]]] = {
    "videos": known_videos,
    "jobs": known_jobs,
}
"""Whose blobs lie under which folder of keys, and which of them there are."""
_AT_ONCE: Final = 500


def remove_orphans(
    database: Database, store: BlobStore, *, grace_s: float = LEFTOVER_S
) -> tuple[UUID, ...]:
    """Remove the blobs of videos and jobs that have no row; gives whose they were.

    Args:
        database: Where rows are.
        store: Where blobs are.
        grace_s: What was begun later than so many seconds ago is left: its row may still come.

    Raises:
        DatabaseUnavailableError: The database does not answer.
        BlobUnavailableError: The store failed.
    """
    with database.read() as session:
        until = current_time(session) - timedelta(seconds=grace_s)
        since = first_tenant_made_at(session)
    if since is None:
        return ()
    removed: list[UUID] = []
    for folder, known in _OWNERS.items():
        owners = _owners(store, folder, since, until)
        while batch := list(islice(owners, _AT_ONCE)):
            with database.read() as session:
                there = known(session, batch)
            for owner in (one for one in batch if one not in there):
                store.delete_prefix(f"{folder}/{owner}")
                removed.append(owner)
    return tuple(removed)


def _owners(store: BlobStore, folder: str, since: datetime, until: datetime) -> Iterator[UUID]:
    """Whose blobs lie under a folder of keys and were begun in this time, each once."""
    last = None
    for key in store.keys(folder):  # in order, so that an owner's lie side by side
        try:
            owner = UUID(key.split("/")[1])
        except ValueError:
            continue
        if owner != last and owner.version == 7 and since <= made_at(owner) < until:
            yield owner
        last = owner
