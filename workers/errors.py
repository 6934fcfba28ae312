"""The errors of the workers themselves, in one glance; the pipeline's and the service's are theirs.

Each has a code that never changes once released.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import click

from model.spec.errors import ModelError
from service.errors import ServiceError


class WorkerError(Exception):
    """Anything that went wrong around a job, with a stable code for machines."""

    code: ClassVar[str] = "worker.error"


class ParametersError(WorkerError):
    """A job's parameters are not ones that a worker knows, or cannot be."""

    code = "job.parameters"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Every expected error is one line on stderr and exit status 1."""
    try:
        yield
    except (ModelError, ServiceError, WorkerError) as error:
        click.echo(f"aggpose: {error} [{error.code}]", err=True)
        sys.exit(1)
