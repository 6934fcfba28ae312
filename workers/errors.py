"""The errors of the workers themselves, in one glance; the pipeline's and the service's are theirs.

Each has a code that never changes once released.
"""

from typing import ClassVar


class WorkerError(Exception):
    """Anything that went wrong around a job, with a stable code for machines."""

    code: ClassVar[str] = "worker.error"


class ParametersError(WorkerError):
    """A job's parameters are not ones that a worker knows, or cannot be."""

    code = "job.parameters"
