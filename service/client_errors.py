"""What can go wrong between a client and the service, in one glance."""


class ClientError(Exception):
    """Anything that keeps a client from its answer.

    Args:
        message: What went wrong, for people.
        code: Stable, for machines.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnreachableError(ClientError):
    """The service does not answer, or the connection broke off: trying again may help."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "server.unreachable")


class AnswerError(ClientError):
    """What answers is not this service, or another version of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "server.answer")


class ProblemError(ClientError):
    """The service refused, with a problem document (RFC 9457).

    Args:
        detail: What happened, in the service's words.
        code: The problem's code.
        title: The kind of problem in words.
        status: The HTTP status.
        request_id: Finds the request in the service's logs.
        retry_after_s: Seconds after which asking again may help; None where it does not.
    """

    def __init__(  # noqa: PLR0913 - what a problem document says
        self, detail: str, code: str, *, title: str, status: int, request_id: str,
        retry_after_s: float | None,
    ) -> None:  # fmt: skip
        super().__init__(detail, code)
        self.title = title
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class JobFailedError(ClientError):
    """The job has ended without results; the code is the job's own."""
