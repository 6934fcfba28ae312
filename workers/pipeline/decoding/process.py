"""The decoding process as its parent sees it: started, watched, ended.

It is a plain subprocess: Celery's pool processes are daemons and may not have others. The kernel
ends it with the thread that started it, so start it in one that lives as long as it is needed.
"""

import contextlib
import os
import signal
import subprocess
import sys

from workers.pipeline.decoding.protocol import Channel, Failed, Message
from workers.pipeline.decoding.ring import SharedFrames
from workers.pipeline.errors import (
    DecoderCostError,
    DecoderCrashedError,
    DecoderStalledError,
    VideoError,
)

_ERRORS = {error.code: error for error in VideoError.__subclasses__()}
_GRACE_S = 5.0
_ENVIRONMENT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH")
"""All that the decoder gets of it: secrets of the service are none of its business."""


class DecoderProcess:
    """The child, the line to it and the memory that it writes into.

    Attributes:
        frames: That memory.
    """

    def __init__(self, video: int) -> None:
        """Start it with a descriptor of the file, which stays the caller's.

        Raises:
            OSError: No process can be started.
        """
        self._ended = False
        self.frames = SharedFrames()
        self._channel, theirs = Channel.pair()
        arguments = (os.getpid(), theirs.fileno(), video, self.frames.descriptor)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-P", "-m", "workers.pipeline.decoding.child"),
                    *map(str, arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=arguments[1:],
                env=_environment(),
                process_group=0,  # Ctrl-C is for the parent, which ends the child itself
            )
        except BaseException:
            self._channel.close()
            self.frames.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Tell it something; where it is gone, `receive` will say why, or has said it."""
        if self._ended:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(message)

    def receive(self, timeout_s: float) -> Message:
        """The next thing that it says.

        Raises:
            DecoderStalledError: It said nothing in time, and was ended.
            DecoderCrashedError: It died, or what it says makes no sense.
            VideoError: It gave up, for the reason that the subclass names.
        """
        try:
            message = self._channel.receive(timeout_s)
        except TimeoutError:
            self.end()
            raise DecoderStalledError(f"no frame was decoded for {timeout_s:g} s") from None
        except ValueError as error:
            self.end()
            raise DecoderCrashedError(f"the decoder talks nonsense: {error}") from error
        if message is None:
            raise self._death()
        if isinstance(message, Failed):
            raise _ERRORS.get(message.code, DecoderCrashedError)(message.message)
        return message

    def end(self) -> None:
        """End it, whatever it does; does nothing the second time."""
        self._ended = True
        self._process.kill()
        self._process.wait()
        self._channel.close()
        self.frames.close()

    def _death(self) -> VideoError:
        try:
            code = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return DecoderCrashedError("the decoder hung up")
        if code == -signal.SIGXCPU:
            return DecoderCostError("decoding takes more processor time than is allowed")
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        return DecoderCrashedError(f"the decoding process ended {how}")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # The same packages as here, however they were found; and little address space for threads.
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "2"}
