"""How much memory an extraction takes, on a short and on a long film.

Run: python benchmarks/memory.py FILM [--minutes 1,10] [OPTIONS OF aggpose extract]

Films are made of FILM by playing it again and again, without coding anew. The whole of a run is
counted, its decoding process too: proportional set sizes, so that what processes share counts once,
looked at five times a second.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

EVERY_S = 0.2


def main() -> None:
    """Measure each length, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("film", type=Path)
    parser.add_argument("--minutes", default="1,10")
    options, theirs = parser.parse_known_args()
    print("| minutes | frames/s | peak MB | over the first |")
    print("|---|---|---|---|")
    first_mb = None
    with tempfile.TemporaryDirectory() as name:
        for minutes in map(float, options.minutes.split(",")):
            film = Path(name) / f"{minutes:g}.mp4"
            frames = _repeated(options.film, film, minutes * 60)
            words: list[str | Path] = [sys.executable, "-m", "workers.cli", "extract", film]
            words += ["--out", Path(name) / f"{minutes:g}", *theirs]
            peak_mb, seconds = _peak(words)
            first_mb = first_mb or peak_mb
            print(
                f"| {minutes:g} | {frames / seconds:.1f} | {peak_mb:.0f} "
                f"| {peak_mb / first_mb:.2f} |",
                flush=True,
            )


def _repeated(source: Path, target: Path, seconds: float) -> int:
    """Play a film again and again; the number of frames that it has then."""
    frames, shift = 0, 0
    with av.open(str(target), "w") as out:
        to = None
        while True:
            with av.open(str(source)) as film:
                stream = film.streams.video[0]
                if stream.time_base is None:
                    raise SystemExit(f"{source}: its clock is not known")
                to = to or out.add_stream_from_template(stream)
                end = shift
                for packet in film.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue  # the end
                    if (packet.pts + shift) * Fraction(stream.time_base) >= seconds:
                        continue
                    end = max(end, packet.pts + shift + (packet.duration or 1))
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = to
                    out.mux(packet)
                    frames += 1
                if end == shift or end * Fraction(stream.time_base) >= seconds:
                    return frames
                shift = end


def _peak(words: list[str | Path]) -> tuple[float, float]:
    """The most memory that a command and what it started held at once, MB; and its seconds."""
    started, peak_kb = time.monotonic(), 0
    process = subprocess.Popen(  # noqa: S603 - the project's own command
        words, stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None:
        peak_kb = max(peak_kb, sum(_kilobytes(pid) for pid in _family(process.pid)))
        time.sleep(EVERY_S)
    if process.returncode != 0:
        raise SystemExit(f"aggpose extract ended with {process.returncode}")
    return peak_kb / 1024, time.monotonic() - started


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # it ended meanwhile
                found += map(int, children.read_text().split())
    return found


def _kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
