"""Parameters of lists."""

from typing import Annotated

from fastapi import Query

PageCursor = Annotated[
    str | None,
    Query(max_length=64, description="`next` of the page before", pattern="^[A-Za-z0-9_=-]+$"),
]
PageLimit = Annotated[int, Query(ge=1, le=200, description="Items of a page")]
