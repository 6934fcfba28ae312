"""Deaths by the hundred: every job ends as if nothing had happened.

Each round makes a job of the same film over the REST API and kills or freezes something at a random
moment: a worker's child, a whole worker, Redis, PostgreSQL, the API, the sweeper. Then the job must
have succeeded, with every frame once, and with the very bytes of an undisturbed run. `make chaos`.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from service.client import Client, ResultFile
from service.database.engine import current_time
from service.database.frames import stream_rows
from service.database.tables import Job
from tests.servers import Victim
from tests.whole_system import PATIENCE_S, System

FILES: tuple[ResultFile, ...] = (
    "keypoints.csv",
    "keypoints.json",
    "keypoints-filtered.csv",
    "keypoints-filtered.json",
)


class Surprise(Exception):  # noqa: N818 - what it is
    """Something did not end as it must."""


class TooLateError(Exception):
    """The job has ended before anything happened to it."""


def expect(truth: bool, otherwise: str) -> None:  # noqa: FBT001 - as assert has it
    """Raise Surprise unless something is true."""
    if not truth:
        raise Surprise(otherwise)


class Chaos:
    """Makes jobs, and disturbs them.

    Args:
        system: What is disturbed.
        client: Makes the jobs.
        rng: Says when.
        only: What happens; anything where that is empty.
    """

    def __init__(
        self, system: System, client: Client, rng: random.Random, only: Sequence[str]
    ) -> None:
        self._system, self._client, self._rng = system, client, rng
        self.video_id = client.upload(system.film).id
        self.expected = self._results(self._finished(self._new_job("undisturbed")))
        self.seconds: dict[str, list[float]] = defaultdict(list)
        started_s = time.monotonic()
        self._finished(self._new_job("timed"))
        self.undisturbed_s = time.monotonic() - started_s
        self._deeds: dict[str, Callable[[UUID], None]] = {
            "kill a worker's child": self._kill_child,
            "kill a worker": self._kill_worker,
            "freeze a worker past its lease": self._freeze_worker,
            "tell a worker to stop": self._stop_worker,
            "kill Redis": lambda _: self._kill(system.redis, 5),
            "freeze Redis": lambda _: self._freeze(system.redis, system.visibility_s + 3),
            "kill PostgreSQL": lambda _: self._kill(system.postgresql, 5),
            "freeze PostgreSQL": lambda _: self._freeze(system.postgresql, system.visibility_s + 3),
            "kill the API": lambda _: self._kill(system.api, 2),
            "kill the sweeper": lambda _: self._kill(system.sweeper, 5),
        }
        self._names = list(only) or list(self._deeds)

    def round(self, number: int) -> str:
        """One job and one misfortune (in turn, so that all are met); what it was.

        Raises:
            Surprise: The job did not end as if nothing had happened.
        """
        name = self._names[number % len(self._names)]
        started_s = time.monotonic()
        job_id = self._disturbed(self._deeds[name], f"round-{number}")
        self._system.repair()
        results = self._results(self._finished(job_id))
        expect(results == self.expected, f"round {number}, {name}: job {job_id} gave other bytes")
        self._check_frames(job_id)
        self.seconds[name].append(time.monotonic() - started_s)
        return name

    def _disturbed(self, deed: Callable[[UUID], None], name: str) -> UUID:
        """A new job to which something happens; another one where that comes too late."""
        while True:
            job_id = self._new_job(name)
            time.sleep(self._rng.uniform(0, self.undisturbed_s))
            try:
                deed(job_id)
            except TooLateError:
                self._finished(job_id)
            else:
                return job_id

    def finale(self) -> None:
        """All workers still work: of many jobs at once each gets some.

        Raises:
            Surprise: One does not.
        """
        jobs = [self._new_job(f"finale-{number}") for number in range(6)]
        seen = set()
        for job_id in jobs:
            self._finished(job_id)
            with self._system.database.read() as session:
                job = session.get(Job, job_id)
                seen.add(None if job is None else job.worker_id)
        expect(len(seen) >= len(self._system.workers), f"only {seen} still work")

    def _new_job(self, name: str) -> UUID:
        key = f"{name}-{self._rng.random()}"
        job = self._client.create_job(self.video_id, model="hand-made-pose", idempotency_key=key)
        return job.id

    def _finished(self, job_id: UUID) -> UUID:
        """Wait for a job's good end; meanwhile no lease may have ended long ago."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            job = self._client.job(job_id)
            if job.state == "succeeded":
                return job_id
            expect(job.state in ("queued", "running"), f"job {job_id} has {job.state}: {job}")
            expect(time.monotonic() < deadline, f"job {job_id} is still {job.state}: {job}")
            self._check_lease(job_id)
            time.sleep(0.2)

    def _check_lease(self, job_id: UUID) -> None:
        """No job stays running without a sign of life for longer than the sweeper needs."""
        with self._system.database.read() as session:
            job, now = session.get(Job, job_id), current_time(session)
        if job is not None and job.lease_until is not None:
            late = now - job.lease_until
            expect(late < timedelta(seconds=10), f"job {job_id} runs, its lease ended {late} ago")

    def _check_frames(self, job_id: UUID) -> None:
        """Every frame exactly once."""
        blocks = list(stream_rows(self._system.database, job_id))
        indices = [int(index) for block in blocks for index in block.frame_index]
        expect(indices == list(range(len(indices))), f"job {job_id} has other frames")

    def _results(self, job_id: UUID) -> dict[str, bytes]:
        """The job's keypoints, as the API gives them."""
        results: dict[str, bytes] = {}
        for name in FILES:
            path = self._system.folder / name
            self._client.download(job_id, name, path)
            results[name] = path.read_bytes()
        return results

    def _held_by(self, job_id: UUID) -> tuple[int, Victim]:
        """Who holds the job; waits until somebody does.

        Raises:
            TooLateError: It has ended.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (held := self._system.holder(job_id)) is None:
            expect(time.monotonic() < deadline, f"job {job_id} is held by nobody")
            job = self._system.job(job_id)
            if job is not None and job.state == "succeeded":
                raise TooLateError
            time.sleep(0.02)
        return held

    def _kill_child(self, job_id: UUID) -> None:
        os.kill(self._held_by(job_id)[0], signal.SIGKILL)

    def _kill_worker(self, job_id: UUID) -> None:
        self._kill(self._held_by(job_id)[1], 3)

    def _freeze_worker(self, job_id: UUID) -> None:
        self._freeze(
            self._held_by(job_id)[1], self._system.lease_s + 4, least_s=self._system.lease_s + 1
        )

    def _stop_worker(self, job_id: UUID) -> None:
        status = self._held_by(job_id)[1].stop()
        expect(status == 0, f"a worker that was told to stop ended with {status}")

    def _kill(self, victim: Victim, most_s: float) -> None:
        victim.kill()
        time.sleep(self._rng.uniform(0, most_s))

    def _freeze(self, victim: Victim, most_s: float, least_s: float = 0.5) -> None:
        victim.tell(signal.SIGSTOP)
        time.sleep(self._rng.uniform(least_s, most_s))
        victim.tell(signal.SIGCONT)


def main() -> None:
    """Run the rounds and print how long jobs took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause-s", type=float, default=0.15, help="A worker's pause a window.")
    parser.add_argument("--lease-s", type=float, default=10.0, help="All other times follow it.")
    parser.add_argument("--only", action="append", default=[], help="What happens, in words.")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    folder = Path(tempfile.mkdtemp(prefix="aggpose-chaos-"))
    folder.chmod(0o755)  # the servers are another user's
    system = System(folder, frames=options.frames, pause_s=options.pause_s, lease_s=options.lease_s)
    with system.running() as client:
        rng = random.Random(options.seed)  # noqa: S311 - no secret
        chaos = Chaos(system, client, rng, options.only)
        print(f"undisturbed: {chaos.undisturbed_s:.1f} s; logs are in {folder}", flush=True)
        for number in range(options.rounds):
            name = chaos.round(number)
            print(f"{number + 1:4} {name:32} {chaos.seconds[name][-1]:6.1f} s", flush=True)
        chaos.finale()
    print(f"\n{options.rounds} of {options.rounds} jobs succeeded with the same bytes\n")
    print("| What happened | Rounds | Median s | Longest s |\n|---|---|---|---|")
    for name, seconds in chaos.seconds.items():
        middle, longest = statistics.median(seconds), max(seconds)
        print(f"| {name} | {len(seconds)} | {middle:.1f} | {longest:.1f} |")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
