"""Blobs that no row names, because a process died between storing the one and the other.

They are found, and removed only where a person says so: to a database that came back from a backup,
or to the copy of one, everything that was uploaded since looks the same. Nothing counts that was
begun within a day, that is older than the database itself (a new database at a store in use), or
that lies under a key that this service did not make.
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
from service.database.videos import known_videos, named_sources
from service.videos import source_key


def _videos(session: Session, owners: Sequence[UUID]) -> set[UUID]:
    """Those of these whose blobs a video names: its own, or another upload of its bytes."""
    known = known_videos(session, owners)
    others = {source_key(owner): owner for owner in owners if owner not in known}
    return known | {others[key] for key in named_sources(session, others)}


_OWNERS: Final[dict[str, Callable[[Session, Sequence[UUID]], set[UUID]]]] = {
    "videos": _videos,
    "jobs": known_jobs,
}
"""Whose blobs lie under which folder of keys, and which of them there are."""
_AT_ONCE: Final = 500


def find_orphans(
    database: Database, store: BlobStore, *, grace_s: float = LEFTOVER_S
) -> Iterator[str]:
    """The places of blobs whose video or job has no row, as in `videos/0197...`, in order.

    Args:
        database: Where rows are.
        store: Where blobs are.
        grace_s: What was begun later than so many seconds ago is left out: its row may still come.

    Raises:
        DatabaseUnavailableError: The database does not answer.
        BlobUnavailableError: The store failed.
    """
    with database.read() as session:
        until = current_time(session) - timedelta(seconds=grace_s)
        since = first_tenant_made_at(session)
    if since is None:
        return
    for folder, known in _OWNERS.items():
        owners = _owners(store, folder, since, until)
        while batch := list(islice(owners, _AT_ONCE)):
            with database.read() as session:
                there = known(session, batch)
            yield from (f"{folder}/{owner}" for owner in batch if owner not in there)


def _owners(store: BlobStore, folder: str, since: datetime, until: datetime) -> Iterator[UUID]:
    """Whose blobs lie under a folder of keys and were begun in this time, each once."""
    last = ""
    for key in store.keys(folder):  # in order, so that an owner's lie side by side
        name = key.split("/")[1]
        if name != last and (owner := _ours(name)) is not None and since <= made_at(owner) < until:
            yield owner
        last = name


def _ours(name: str) -> UUID | None:
    """The identifier that a name is, if this service made it."""
    try:
        owner = UUID(name)
        made_at(owner)
    except (ValueError, OverflowError):  # no identifier, or of a year that there is not
        return None
    return owner if str(owner) == name and owner.version == 7 else None
