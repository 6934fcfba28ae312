"""Parameters of requests that several routes take.

Each may be left out, which is None here and no value that a client could send; what a value has to
be like stands inside the union, so that the documentation says it, too.
"""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Path, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from service.api.schemas import JOB_ID, VIDEO_ID, Moment
from service.database.tables import JobState
from service.videos import SubjectReference

MOST_FRAMES: Final = 2**62

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Visible = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern="^[!-~]+$")]
_Revision = Annotated[str, StringConstraints(pattern="^[0-9]{1,18}$")]
# A moment and an identifier in base64; no moment before the year 9900 begins otherwise.
_Cursor = Annotated[str, StringConstraints(pattern="^A[A-Za-z0-3][A-Za-z0-9_-]{30}$")]
_FrameCursor = Annotated[str, StringConstraints(pattern="^(0|[1-9][0-9]{0,17})$")]
_Frame = Annotated[int, Field(ge=0, le=MOST_FRAMES)]

VideoId = Annotated[UUID, Path(description="The video", examples=[VIDEO_ID])]
JobId = Annotated[UUID, Path(description="The job", examples=[JOB_ID])]
StillFrame = Annotated[
    int, Path(ge=0, le=MOST_FRAMES, description="One of the frames of `/previews`", examples=[0])
]

IdempotencyKey = Annotated[
    _Visible | SkipJsonSchema[None],
    Header(
        description="Any text of your own: the same request with the same key makes one job only",
    ),
]
IfNoneMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(description="ETags that you have: an answer that you know is not sent again"),
]
LastEventId = Annotated[
    _Revision | SkipJsonSchema[None], Header(description="The last event that you have got")
]

PageCursor = Annotated[
    _Cursor | SkipJsonSchema[None], Query(description="`next` of the page before")
]
PageLimit = Annotated[int, Query(ge=1, le=200, description="Items of a page")]
FrameCursor = Annotated[
    _FrameCursor | SkipJsonSchema[None], Query(description="`next` of the page before")
]

OfSubject = Annotated[SubjectReference | SkipJsonSchema[None], Query(description="Of this infant")]
OfState = Annotated[JobState | SkipJsonSchema[None], Query(description="In this state")]
OfVideo = Annotated[UUID | SkipJsonSchema[None], Query(description="Of this video")]
OfBytes = Annotated[_Sha256 | SkipJsonSchema[None], Query(description="With this SHA-256")]
CreatedAfter = Annotated[
    Moment | SkipJsonSchema[None],
    Query(description="Made later", examples=["2026-03-01T08:30:00Z"]),
]

ModelName = Annotated[_Name | SkipJsonSchema[None], Query(description="The pose model of the job")]

FirstFrame = Annotated[_Frame, Query(alias="from", description="The first frame")]
BehindFrame = Annotated[
    _Frame | SkipJsonSchema[None], Query(alias="to", description="The frame behind the last")
]
