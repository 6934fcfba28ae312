"""What the blob store costs beside plain copying: the same file, hashed and synced in both ways.

Run: python benchmarks/blobs.py --folder FOLDER [--mebibytes 1024] [--rounds 5]

The ways take turns, so that a busy machine disturbs them alike; the table has the medians and the
process' peak of memory. In a folder of a memory file system (/dev/shm) they show what each costs
the processor; elsewhere the disk rules.
"""

import argparse
import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from anyio import CapacityLimiter

from service.blobs.local import LocalStore
from service.blobs.receiving import receive

UPLOAD_CHUNK_BYTES = 256 << 10  # as an upload gathers them


def main() -> None:
    """Measure all ways, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        source = folder / "source"
        block = os.urandom(1 << 20)
        with source.open("wb") as file:
            for _ in range(options.mebibytes):
                file.write(block)
        ways = _ways(source, LocalStore(folder / "store"), folder / "copy")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, run in ways.items():
                begun = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - begun)
    _print(seconds, options.mebibytes)


def _ways(source: Path, store: LocalStore, copy: Path) -> dict[str, Callable[[], object]]:
    """What is measured; each leaves one file and the next run of it replaces that."""
    size = source.stat().st_size

    def put() -> None:
        with source.open("rb", buffering=0) as file:
            store.put("a/source", file, max_bytes=size)

    def read() -> None:
        with store.open("a/source") as reader:
            for _ in reader:
                pass

    return {
        "copy, hash, sync": lambda: _copy(source, copy),
        "put": put,
        "receive": lambda: asyncio.run(_receive(source, store, size)),
        "open": read,
    }


def _copy(source: Path, target: Path) -> str:
    """What anybody would write."""
    found = hashlib.sha256()
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while chunk := reader.read(1 << 20):
            found.update(chunk)
            writer.write(chunk)
        os.fsync(writer.fileno())
    return found.hexdigest()


async def _receive(source: Path, store: LocalStore, size: int) -> None:
    """The way of an upload."""
    async with receive(store, "b/source", max_bytes=size, threads=CapacityLimiter(1)) as receiver:
        for chunk in _chunks(source):
            await receiver.write(chunk)
        await receiver.commit()


def _chunks(source: Path) -> Iterator[bytes]:
    with source.open("rb", buffering=0) as file:
        while chunk := file.read(UPLOAD_CHUNK_BYTES):
            yield chunk


def _print(seconds: dict[str, list[float]], mebibytes: int) -> None:
    plain = statistics.median(seconds["copy, hash, sync"])
    print(f"{mebibytes} MiB, medians of {len(seconds['put'])} rounds\n")
    print("| way | MiB/s | of plain copying |")
    print("|---|---|---|")
    for way, all_s in seconds.items():
        median_s = statistics.median(all_s)
        print(f"| {way} | {mebibytes / median_s:.0f} | {plain / median_s:.2f} |")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    print(f"\npeak of memory: {peak_kb / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
