"""JSON bodies, read once it is known who asks: the framework would read and judge them before."""

from collections.abc import Sequence
from email.message import Message
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

MEDIA_TYPE: Final = "application/json"

T = TypeVar("T", bound=BaseModel)


def json_body(kind: type[BaseModel]) -> dict[str, Any]:
    """A JSON body of this kind, for a route's documentation; app.py adds the kind's schema."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}}}


async def read_json(request: Request, kind: type[T]) -> T:
    """The request's body.

    Raises:
        RequestValidationError: It is not of this kind, or no JSON.
        HTTPException: It is too large.
    """
    declared = Message()
    declared["Content-Type"] = request.headers.get("content-type", "")
    if declared.get_content_type() != MEDIA_TYPE:
        raise misfit([{"loc": (), "msg": f"expected the Content-Type {MEDIA_TYPE}"}])
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise misfit(error.errors()) from None


def misfit(errors: Sequence[Any]) -> RequestValidationError:
    """The errors of a body, as the framework would tell them of one that it reads itself."""
    return RequestValidationError([one | {"loc": ("body", *one["loc"])} for one in errors])
