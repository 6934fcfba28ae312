"""Blobs that nobody needs: removed while no transaction is open, because a store may take its time.

A video or a job is deleted in three steps. One transaction takes the jobs from their workers and
says what there is; then the blobs go; another transaction deletes the rows. What fails on the way
leaves the rows, so that it can be asked for again. What was stored meanwhile goes last.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from service.blobs import BlobStore
from service.errors import BlobError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Belongings:
    """What goes with a video or a job.

    Attributes:
        jobs: The jobs.
        keys: The blobs that rows name.
        folders: Folders of keys, for what no row names yet.
    """

    jobs: tuple[UUID, ...]
    keys: tuple[str, ...]
    folders: tuple[str, ...]


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
