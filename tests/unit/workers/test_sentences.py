"""Every way in which a video can be bad has a sentence for people."""

from collections.abc import Iterator

import pytest

from model.spec.errors import EngineError
from service.errors import ModelUnknownError
from workers.pipeline.errors import CutoffError, PipelineError, VideoError, VideoTooLongError
from workers.sentences import sentence_for


def below(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


@pytest.mark.parametrize("kind", list(below(VideoError)), ids=lambda kind: kind.code)
def test_every_error_of_videos_has_its_own_sentence(kind: type[PipelineError]) -> None:
    sentence = sentence_for(kind(""))
    assert sentence.endswith(".")
    assert sentence != sentence_for(PipelineError(""))
    others = {sentence_for(other("")) for other in below(VideoError) if other is not kind}
    assert sentence not in others


def test_a_number_that_helps_is_told() -> None:
    sentence = sentence_for(VideoTooLongError("expected at most 3600 s, got 4000"))
    assert sentence.endswith(" (expected at most 3600 s, got 4000)")


def test_a_cut_off_that_fits_is_told() -> None:
    sentence = sentence_for(CutoffError("expected a cut-off of at most 4 Hz"))
    assert sentence.startswith("The smoothing's cut-off is too high")
    assert sentence.endswith(" (expected a cut-off of at most 4 Hz)")


def test_what_only_operators_understand_is_not_told() -> None:
    assert "/models" not in sentence_for(EngineError("/models/x.onnx: CUDA failed"))
    assert "model" in sentence_for(ModelUnknownError("expected one of"))
