"""Blobs that nobody needs: removed while no transaction is open, because a store may take its time.

A video or a job is deleted in three steps. One transaction deletes the rows, whoever works on them,
and notes which blobs go with them: from here on it is gone for everybody. Then the blobs go, and a
last transaction takes the note away. What breaks off on the way is finished by whoever asks again,
or by the sweeper.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.blobs import BlobStore
from service.database import deletions as rows
from service.database.engine import Database
from service.database.tables import Deletion
from service.errors import BlobError

_log = logging.getLogger(__name__)


def begin_deletion(  # noqa: PLR0913 - whose, of what, which blobs, when
    session: Session,
    tenant_id: UUID,
    resource_id: UUID,
    *,
    keys: Sequence[str],
    folders: Sequence[str],
    now: datetime,
) -> Deletion:
    """Note the blobs that go with a video's or a job's rows.

    Args:
        session: Deletes the rows.
        tenant_id: Whose they are.
        resource_id: The video's or the job's.
        keys: The blobs that rows name.
        folders: Folders of keys, for what no row names yet.
        now: The moment.
    """
    deletion = Deletion(
        id=resource_id, tenant_id=tenant_id, keys=[*keys], folders=[*folders], begun_at=now
    )
    rows.add_deletion(session, deletion)
    return deletion


def finish_deletion(database: Database, store: BlobStore, deletion: Deletion) -> None:
    """Remove the blobs of a deletion that was begun; that others do so, too, is no error.

    Raises:
        BlobUnavailableError: The blob store failed: the deletion stays begun.
        DatabaseUnavailableError: The database does not answer: likewise.
    """
    remove_blobs(store, deletion.keys, deletion.folders)
    with database.write() as session:
        rows.forget_deletion(session, deletion.id)
    # What a worker that had not learnt of it stored meanwhile.
    remove_leftovers(store, (), deletion.folders)


def finish_deletions(database: Database, store: BlobStore) -> int:
    """Remove the blobs of deletions that were begun and broke off; how many were finished.

    One that cannot be finished is logged, and keeps none of the others.

    Raises:
        BlobUnavailableError: The blob store is away.
        DatabaseUnavailableError: The database does not answer.
    """
    with database.read() as session:
        begun = rows.list_deletions(session)
    if begun:
        store.check()  # one that is away is not waited for again and again
    finished = 0
    for deletion in begun:
        try:
            finish_deletion(database, store, deletion)
        except BlobError as error:
            _log.warning("the deletion of %s is not finished: %s", deletion.id, error)
        else:
            finished += 1
    return finished


def remove_blobs(store: BlobStore, keys: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Remove blobs by their keys and by folders of keys.

    Raises:
        BlobUnavailableError: The blob store failed.
    """
    for key in keys:
        store.delete(key)
    for folder in folders:
        store.delete_prefix(folder)


def remove_leftovers(store: BlobStore, keys: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Remove blobs that no row names; where the store fails, that is logged and nothing else.

    What was done in the database stands by then, and `aggpose db orphans` finds them.
    """
    try:
        remove_blobs(store, keys, folders)
    except BlobError as error:
        _log.warning("blobs may be left, aggpose db orphans finds them: %s", error)
