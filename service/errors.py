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


class ConstraintError(DatabaseError):
    """What was to be written breaks a rule of the tables: a fault of the service."""

    code = "database.constraint"


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


class VideoConflictError(ServiceError):
    """These bytes are known already, and are said to be another infant's."""

    code = "video.conflict"


class VideoTypeError(ServiceError):
    """An upload is no video that the service can read: judged by its first bytes."""

    code = "video.unsupported_container"


class VideoTooLargeError(ServiceError):
    """A video has more bytes than may be uploaded."""

    code = "video.too_large"


class UploadError(ServiceError):
    """An upload's form is cut short, or not one."""

    code = "upload.malformed"


class UploadsBusyError(ServiceError):
    """As many uploads as there may be at a time are on their way."""

    code = "upload.busy"


class JobNotFoundError(ServiceError):
    """There is no such job, or it is another tenant's."""

    code = "job.not_found"


class JobFinishedError(ServiceError):
    """The job has ended, so there is nothing to cancel."""

    code = "job.finished"


class JobNotRetryableError(ServiceError):
    """The job has neither failed nor been cancelled, so there is nothing to try again."""

    code = "job.not_retryable"


class IdempotencyConflictError(ServiceError):
    """The idempotency key came before, with another payload."""

    code = "job.idempotency_conflict"


class ModelUnknownError(ServiceError):
    """There is no pose model of this name."""

    code = "model.unknown"


class SeriesNotReadyError(ServiceError):
    """The series is not there yet; it comes when the job has finished."""

    code = "series.not_ready"


class ResultNotReadyError(ServiceError):
    """The file is not there yet; it comes when the job has finished."""

    code = "result.not_ready"


class StillNotFoundError(ServiceError):
    """There is no still of this frame."""

    code = "preview.not_found"


class KeyMissingError(ServiceError):
    """The request names no API key."""

    code = "key.missing"


class KeyInvalidError(ServiceError):
    """The API key is none, or was revoked."""

    code = "key.invalid"


class KeyScopeError(ServiceError):
    """The API key may not do this."""

    code = "key.scope"


class KeyNotFoundError(ServiceError):
    """There is no API key of this prefix that could be revoked."""

    code = "key.not_found"


class RateLimitError(ServiceError):
    """The API key asks too often.

    Args:
        message: What there was too much of.
        retry_after_s: Seconds after which it may ask again.
    """

    code = "rate.limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(ServiceError):
    """A part that the service needs does not answer.

    Args:
        missing: What is wrong, by the part's name.
    """

    code = "service.not_ready"

    def __init__(self, missing: dict[str, str]) -> None:
        super().__init__(f"not ready: {', '.join(missing)}")
        self.missing = missing


class ListenError(ServiceError):
    """The API cannot listen at its address: another program does, or it is none of this machine."""

    code = "serve.address"


class FolderInUseError(ServiceError):
    """The system runs in this folder already."""

    code = "up.folder_in_use"


class PartFailedError(ServiceError):
    """A process of the system ended by itself, or the system did not get ready in time."""

    code = "up.part_failed"
