"""Every error of the service, in one glance; each has a code that never changes once released.

None of them knows HTTP: the API's edge maps codes to answers.
"""

from typing import ClassVar


class ServiceError(Exception):
    """Anything that went wrong in the service, with a stable code for machines."""

    code: ClassVar[str] = "service.error"


class DatabaseError(ServiceError):
    """Something is wrong with the database itself, not with what was asked of it."""

    code = "database.error"


class DatabaseUrlError(DatabaseError):
    """The database's address is not one that the service can use."""

    code = "database.url"


class DatabaseUnavailableError(DatabaseError):
    """The database does not answer, or not in time: trying again later may help."""

    code = "database.unavailable"


class DatabaseVersionError(DatabaseError):
    """The tables are older or newer than this program."""

    code = "database.version"


class CursorError(ServiceError):
    """A list's cursor is not one that this service gave."""

    code = "list.cursor"


class VideoNotFoundError(ServiceError):
    """There is no such video, or it is another tenant's."""

    code = "video.not_found"


class LeaseLostError(ServiceError):
    """The job is no longer this worker's: it was taken away, finished, or deleted."""

    code = "lease.lost"


class StalledError(ServiceError):
    """The worker lives, but its frames have not advanced for too long: its lease is not renewed."""

    code = "lease.stalled"


class WindowOrderError(ServiceError):
    """A window of frames does not begin behind the last stored frame: a fault of the worker."""

    code = "job.window_order"


class SettingsError(ServiceError):
    """Settings that are unknown, malformed, or do not fit each other."""

    code = "settings.invalid"


class BlobError(ServiceError):
    """Anything that went wrong with stored bytes."""

    code = "blob.error"


class BlobStoreUrlError(BlobError):
    """The blob store's address is not one that the service can use."""

    code = "blob.url"


class BlobKeyError(BlobError):
    """A key that cannot be one: a fault of the service, since clients give none."""

    code = "blob.key"


class BlobMissingError(BlobError):
    """There is no blob under this key."""

    code = "blob.missing"


class BlobTooLargeError(BlobError):
    """There are more bytes than may be stored here."""

    code = "blob.too_large"


class BlobChecksumError(BlobError):
    """A blob's bytes are not those that were stored."""

    code = "blob.checksum"


class BlobFullError(BlobError):
    """The store, or the disk, has no room left."""

    code = "blob.full"


class BlobUnavailableError(BlobError):
    """The store cannot be reached or fails: trying again later may help."""

    code = "blob.unavailable"


class QueueUnavailableError(ServiceError):
    """The broker takes no messages: trying again later may help."""

    code = "queue.unavailable"
