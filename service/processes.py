"""Processes that are watched, started again when they die, and end with the one that began them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Final, Self

from service.errors import PartFailedError

# By the interpreter and not by the script, which need not be in the PATH; -P: the folder that this
# runs in must not hide our packages.
AGGPOSE: Final = (sys.executable, "-P", "-m", "workers.cli")
"""How our own command begins."""
MOST_RESTARTS, WITHIN_S = 3, 600.0
"""A process that dies more often than this in so many seconds is given up."""
GRACE_S: Final = 10.0
"""So long processes that are told to stop may take; then they are killed."""

_LOOK_EVERY_S: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one process is for.

    Attributes:
        name: In messages.
        words: The command.
        environment: Its variables, all of them.
        fds: Open files that it takes over.
        stopped_by: The signal that tells it to stop.
        prints: Whether what it prints is the result of this program; otherwise it goes with the
            log lines.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    fds: Sequence[int] = ()
    stopped_by: signal.Signals = signal.SIGTERM
    prints: bool = False


class Process:
    """A running part, in a process group of its own: Ctrl-C reaches it only through its parent."""

    def __init__(self, part: Part) -> None:
        self.part = part
        # One thread only runs here, so that code between fork and exec is safe.
        self._process = subprocess.Popen(  # noqa: S603 - words of our own
            part.words,
            env=part.environment,
            stdin=subprocess.DEVNULL,
            stdout=None if part.prints else sys.stderr.fileno(),
            pass_fds=part.fds,
            process_group=0,
            preexec_fn=partial(_end_with_parent, os.getpid()),  # noqa: PLW1509 - see above
        )

    def status(self) -> int | None:
        """The exit status, once it has ended; what it may have left running ends, too."""
        if self._process.returncode is None and self._process.poll() is not None:
            self._kill_group()
        status: int | None = self._process.returncode
        return status

    def stop(self) -> None:
        """Tell it to stop."""
        with suppress(ProcessLookupError):
            self._process.send_signal(self.part.stopped_by)

    def kill(self) -> None:
        """End it, and all that it began, at once."""
        if self.status() is None:
            self._kill_group()
            self._process.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Processes:
    """Parts that run together. Leaving the block ends them, whatever happened in it.

    Args:
        parts: What is started, in this order.
        tell: Says what happens, to people.
    """

    def __init__(self, parts: Sequence[Part], tell: Callable[[str], None]) -> None:
        self._parts, self._tell = parts, tell
        self._running: list[Process] = []
        self._deaths: dict[str, deque[float]] = {part.name: deque() for part in parts}
        self._stops = 0
        self._before: dict[signal.Signals, object] = {}
        self.may_restart = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # as nohup wants it
            self._before[number] = signal.signal(number, self._on_signal)
        try:
            for part in self._parts:
                self.start(part)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as it gave it

    @property
    def stopping(self) -> bool:
        """Whether somebody wants an end."""
        return self._stops > 0

    def start(self, part: Part) -> Process:
        """Start one more."""
        self._running.append(process := Process(part))
        return process

    def look(self) -> None:
        """Wait a moment, and start again what died meanwhile.

        Raises:
            PartFailedError: It died too often, or before anything may be started again.
        """
        time.sleep(_LOOK_EVERY_S)
        for process in [one for one in self._running if one.part in self._parts]:
            if (status := process.status()) is None or self.stopping:
                continue
            self._running.remove(process)
            name, now_s = process.part.name, time.monotonic()
            deaths = self._deaths[name]
            deaths.append(now_s)
            while deaths[0] < now_s - WITHIN_S:
                deaths.popleft()
            if not self.may_restart or len(deaths) > MOST_RESTARTS:
                raise PartFailedError(f"{name} {_ended(status)}; its lines above say why")
            self._tell(f"{name} {_ended(status)}, and is started again")
            self.start(process.part)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _stop_all(self) -> None:
        """Tell all to stop, and kill what does not, sooner when asked to once more."""
        for process in self._running:
            process.stop()
        asked, until_s = self._stops, time.monotonic() + GRACE_S
        while any([one.status() is None for one in self._running]):  # noqa: C419 - look at all
            if time.monotonic() > until_s or self._stops > max(asked, 1):
                break
            time.sleep(_LOOK_EVERY_S)
        for process in self._running:
            process.kill()
        self._running.clear()


def _end_with_parent(parent_pid: int) -> None:
    """In the new process: have the kernel stop it when its parent dies."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
