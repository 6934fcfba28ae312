"""A state is exact in JSON, and belongs to one video, one set of settings and its models."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn_infants import drawn_detector, drawn_pose, picture_of
from tests.films import ArraySource
from workers.pipeline.errors import StateError
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.memory import Memory, Sight
from workers.pipeline.posing.posture import Posture
from workers.pipeline.state import ExtractionState, Facts, Plain, model_facts, plain_facts

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SIGHTS = st.builds(
    Sight, st.integers(0, 10**9), NUMBERS, st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), NUMBERS
)
POSTURES = st.builds(
    Posture,
    NUMBERS,
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4).map(tuple),
    NUMBERS,
    NUMBERS,
)
STATES = st.builds(
    ExtractionState,
    st.just(1),
    st.integers(0, 10**9),
    st.builds(
        Memory,
        st.integers(-1, 10**9),
        st.none() | SIGHTS,
        st.lists(SIGHTS, max_size=3).map(tuple),
    ),
    st.none() | POSTURES,
    st.just({"video": {"codec": "h264", "rate": 25.0, "duration": None, "size": 3, "odd": True}}),
)


@given(STATES)
def test_json_reads_back_exactly(state: ExtractionState) -> None:
    text = state.to_json()
    again = ExtractionState.from_json(text)
    assert again == state
    assert again.to_json() == text
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "all of it: Invalid JSON"),
        ("[]", "all of it"),
        ("{}", "schema_version: Field required"),
        ('{"schema_version": 2}', "schema_version: Input should be 1"),
    ],
)
def test_what_is_no_state(text: str, message: str) -> None:
    with pytest.raises(StateError, match=message):
        ExtractionState.from_json(text)


@pytest.mark.parametrize(
    ("part", "value"),
    [("next_frame", "16"), ("memory", None), ("more", 1), ("made_of", {"video": {"size": []}})],
)
def test_fields_of_another_kind(part: str, value: object) -> None:
    content = json.loads(ExtractionState.at_start({}).to_json()) | {part: value}
    with pytest.raises(StateError, match=part):
        ExtractionState.from_json(json.dumps(content))


def test_the_first_thing_that_differs_is_named() -> None:
    made_of: Facts = {"settings": {"window": 16, "keep_score": 0.2}, "video": {"codec": "h264"}}
    state = ExtractionState.from_json(ExtractionState.at_start(dict(made_of)).to_json())
    state.check_made_of(dict(made_of))
    with pytest.raises(StateError, match=r"settings.window = 16, got 8"):
        state.check_made_of({**made_of, "settings": {"window": 8, "keep_score": 0.2}})
    with pytest.raises(StateError, match=r"video.codec = 'h264', got None"):
        state.check_made_of({"settings": made_of["settings"]})
    with pytest.raises(StateError, match=r"pose.name = None, got 'other'"):
        state.check_made_of({**made_of, "pose": {"name": "other"}})


def test_states_from_before_a_fact_hold_where_it_is_what_they_took_it_for() -> None:
    """Pixels were square then: of an upgrade, jobs of other films alone are to begin anew."""
    before: Facts = {"video": {"codec": "h264", "variable_frame_rate": True}}
    state = ExtractionState.from_json(ExtractionState.at_start(before).to_json())
    now: dict[str, Plain] = {"codec": "h264", "variable_frame_rate": False}
    state.check_made_of({"video": {**now, "pixel_aspect_ratio": "1"}})
    with pytest.raises(StateError, match=r"video.pixel_aspect_ratio = '1', got '4/3'"):
        state.check_made_of({"video": {**now, "pixel_aspect_ratio": "4/3"}})
    assert plain_facts(ArraySource([picture_of()]).facts)["pixel_aspect_ratio"] == "1"


def test_facts_are_plain() -> None:
    facts = plain_facts(ArraySource([picture_of()]).facts)
    assert facts["time_base"] == "1/90000"
    assert facts["displayed_wh"] == "(160, 120)"
    assert facts["num_frames_header"] == 1
    assert plain_facts(ExtractionSettings())["collapse"] == 0.6
    pose, detector = drawn_pose(batch_size=4), drawn_detector()
    facts = model_facts(pose.model_file, pose.options)
    assert facts["sha256"] == "f" * 64
    assert (facts["engine"], facts["precision"], facts["batch_size"]) == ("openvino", "float32", 4)
    assert model_facts(detector.model_file, detector.options)["name"] == "drawn-detector"
