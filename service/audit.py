"""The audit: who did what to which video, job or result, and when; never what was in it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from service.database.audit import add_event
from service.database.tables import ApiKey, AuditEvent
from service.keys import Caller

Action = Literal[
    "video.create", "video.list", "video.read", "video.delete",
    "job.create", "job.read", "job.cancel", "job.retry", "job.delete",
    "keypoints.read", "frames.read", "preview.read", "still.list", "still.read", "quality.read",
]  # fmt: skip
"""What can be done. Asking how far a job is does not count, until the answer holds results."""


KeyAction = Literal["key.create", "key.revoke"]
"""What is done to keys, by whoever runs the service: the API cannot."""


def note(
    session: Session, caller: Caller, action: Action, resource_id: UUID | None, *, now: datetime
) -> None:
    """Add a line, in the transaction of what it speaks of: no line, no access."""
    event = AuditEvent(
        tenant_id=caller.tenant_id,
        api_key_id=caller.key_id,
        action=action,
        resource_id=resource_id,
        request_id=caller.request_id,
        created_at=now,
    )
    add_event(session, event)


def note_key(session: Session, key: ApiKey, action: KeyAction, *, now: datetime) -> None:
    """Add a line of a key that a command made or ended; no key and no request stands behind it."""
    event = AuditEvent(
        tenant_id=key.tenant_id, action=action, resource_id=key.id, created_at=now
    )  # fmt: skip
    add_event(session, event)
