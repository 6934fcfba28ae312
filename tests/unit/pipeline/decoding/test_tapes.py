"""What camcorders wrote on tape: DV and HDV, whose frames are made of two fields."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.stream import VideoStream
from numpy.typing import NDArray

from model.spec.geometry import Size
from tests.unit.pipeline.decoding.coded import SIZE, drawing, encode, truth
from tests.unit.pipeline.decoding.test_hostile import check_damage, damaged, outcome
from workers.pipeline.decoding.source import open_video, probe

PAL = Fraction(25)
NTSC = Fraction(30000, 1001)


def fields(ratio: str = "1", rate: Fraction = PAL) -> Callable[[VideoStream], None]:
    """Prepares a stream for frames of two fields, and for pixels of this shape."""

    def prepare(stream: VideoStream) -> None:
        coder = stream.codec_context
        coder.flags |= Flags.interlaced_dct | Flags.interlaced_me
        coder.sample_aspect_ratio = Fraction(ratio)
        coder.framerate, coder.time_base = rate, 1 / rate

    return prepare


def two_moments(index: int, size_wh: Size) -> NDArray[np.uint8]:
    """A picture whose even rows are older than its odd ones."""
    picture = drawing(2 * index, size_wh)
    picture[1::2] = drawing(2 * index + 1, size_wh)[1::2]
    return picture


@pytest.mark.parametrize(
    ("codec", "pixels", "ending", "coded_wh", "ratio", "rate", "displayed_wh"),
    [
        ("mpeg2video", "yuv420p", "m2t", (192, 144), "4/3", PAL, (256, 144)),
        ("mpeg2video", "yuv422p", "mov", SIZE, "1", NTSC, SIZE),
        ("mpeg2video", "yuv420p", "avi", SIZE, "1", PAL, SIZE),
        ("dvvideo", "yuv420p", "avi", (720, 576), "64/45", PAL, (1024, 576)),
        ("dvvideo", "yuv411p", "mov", (720, 480), "8/9", NTSC, (640, 480)),
    ],
)
def test_frames_are_those_of_the_tape_with_both_fields(
    tmp_path: Path, codec: str, pixels: str, ending: str, coded_wh: Size, ratio: str,
    rate: Fraction, displayed_wh: Size,
) -> None:  # fmt: skip
    options = {"bf": "2", "qmin": "1", "qmax": "2"} if codec == "mpeg2video" else {}
    path = encode(
        tmp_path / f"tape.{ending}", codec, pixels, frames=6, size_wh=coded_wh, options=options,
        prepare=fields(ratio, rate), draw=two_moments,
    )  # fmt: skip
    expected = truth(path)
    with open_video(path, window=4) as video:
        stamps = []
        for window in video:
            for frame in window.frames:
                assert frame.picture is not None
                stamps.append(frame.pts)
                found = frame.picture.rgb().astype(int)
                stretched = cv2.resize(expected.rgb[frame.index], displayed_wh)
                assert np.abs(found - stretched).mean() < 2.5
            window.release()
    assert stamps == expected.pts
    assert len(stamps) == 6
    facts = video.facts
    assert (facts.codec, facts.pixel_format, facts.interlaced) == (codec, pixels, True)
    assert (facts.coded_wh, facts.displayed_wh) == (coded_wh, displayed_wh)
    assert facts.pixel_aspect_ratio == Fraction(ratio)
    assert facts.frame_rate_header == pytest.approx(float(rate))
    assert not facts.variable_frame_rate


def test_dv_with_sound_inside_has_no_rate_that_could_be(tmp_path: Path) -> None:
    """The first AVI files of DV have one stream of both; ticks a second are not their rate."""
    path = encode(
        tmp_path / "tape.avi", "dvvideo", frames=5, size_wh=(720, 576), prepare=fields("16/15")
    )
    content = path.read_bytes().replace(b"vidsdvsd", b"iavsdvsd").replace(b"00dc", b"00__")
    path.write_bytes(content)
    with av.open(path) as container:
        assert container.streams.video[0].average_rate == 60000
    facts = probe(path)
    assert facts.frame_rate_header == 25
    assert facts.displayed_wh == (768, 576)
    code, frames = outcome(path)
    assert (code, len(frames), damaged(frames)) == ("ok", 5, [])


def test_drop_outs_of_hdv_are_rows_in_their_places(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "tape.m2t", "mpeg2video", frames=30,
        options={"g": "12", "bf": "2", "qmin": "1", "qmax": "1"}, prepare=fields("4/3"),
    )  # fmt: skip
    whole, stamps = path.read_bytes(), truth(path).pts
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    begins = [bool(packet[1] & 0x40) for packet in packets]
    inside = next(
        i for i in range(len(packets) // 2, len(packets)) if not any(begins[i - 3 : i + 3])
    )
    path.write_bytes(b"".join(packets[:inside] + packets[inside + 1 :]))
    check_damage(path, stamps)


def test_a_tape_that_was_captured_from_the_middle_on(tmp_path: Path) -> None:
    """What comes before the first whole picture is no part of the film, and no damage."""
    path = encode(
        tmp_path / "tape.m2t", "mpeg2video", frames=40, options={"g": "12", "bf": "2"},
        prepare=fields("4/3"),
    )  # fmt: skip
    whole, stamps = path.read_bytes(), truth(path).pts
    path.write_bytes(whole[188 * (len(whole) // 188 // 3) :])
    code, frames = outcome(path)
    assert (code, damaged(frames)) == ("ok", [])
    assert [frame.pts for frame in frames] == stamps[-len(frames) :]
    assert len(frames) >= 12


def test_an_even_rate_is_even_in_films_of_any_length(tmp_path: Path) -> None:
    """Behind the packets that are looked at, there are frames that are displayed before them."""
    for frames in (301, 302):
        path = encode(
            tmp_path / "tape.m2t", "mpeg2video", frames=frames, size_wh=(32, 32),
            options={"g": "12", "bf": "2"}, prepare=fields(),
        )  # fmt: skip
        assert not probe(path).variable_frame_rate
