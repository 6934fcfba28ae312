"""How worker and sweeper say that they cannot start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from model.spec.errors import ModelError
from model.spec.exit_codes import FAILED
from service.errors import ServiceError
from workers.errors import WorkerError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Every expected error is one line on stderr and a failed exit status."""
    try:
        yield
    except (ModelError, ServiceError, WorkerError) as error:
        click.echo(f"aggpose: {error} [{error.code}]", err=True)
        sys.exit(FAILED)
