"""Changing rows by conditional statements: what they found is what they say."""

from sqlalchemy import Delete, Update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session


def changed(session: Session, query: Update | Delete) -> bool:
    """Run a conditional UPDATE or DELETE; whether it met a row.

    Objects that the session read before stay as they were: read them again to see the change.
    """
    result = session.execute(query, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)  # noqa: S101 - as SQLAlchemy says of UPDATE and DELETE
    return result.rowcount > 0
