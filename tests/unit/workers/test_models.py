"""Models are found by name and opened once; no device stands in for another."""

from pathlib import Path

import pytest

from model.runtime.engines import installed_engines
from model.spec.errors import ConfigurationError, EngineError, ModelError
from service.errors import ModelUnknownError
from tests.hand_made_models import write_detector, write_pose
from workers.models import Device, ModelOptions, Models

CPU = Device(name="cpu", engine="cpu", device_id=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pose models and a detector."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("one", "two"):
        write_pose(folder / f"{name}.onnx", name)
    write_detector(folder / "detector.onnx")
    return folder


def test_models_are_opened_once(folder: Path) -> None:
    models = Models(ModelOptions(device=CPU, models_dir=folder))
    one = models.pose("one")
    assert models.pose("one") is one
    assert models.pose("two").manifest.name == "two"
    assert models.detector() is models.detector()
    assert models.detector().manifest.name == "hand-made-detector"


def test_a_name_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ModelUnknownError):
        Models(ModelOptions(device=CPU, models_dir=folder)).pose("three")


def test_options_reach_the_engines(folder: Path) -> None:
    options = ModelOptions(device=CPU, batch_size=4, threads=1, models_dir=folder)
    pose, detector = options.for_pose(), options.for_detector()
    assert (pose.engine, pose.batch_size, pose.threads) == ("cpu", 4, 1)
    assert (detector.batch_size, detector.precision) == (1, "float32")


@pytest.mark.parametrize(
    ("name", "engine", "expected"),
    [("cpu", "cpu", ("cpu", 0)), ("cuda", "cuda", ("cuda", 0)), ("cuda:1", "cuda", ("cuda", 1))],
)
def test_devices_have_names(name: str, engine: str, expected: tuple[str, int]) -> None:
    device = Device.of(name, engine)  # type: ignore[arg-type] # an engine's name
    assert (device.engine, device.device_id) == expected


def test_the_usual_engine_is_the_fastest_that_is_installed() -> None:
    assert Device.of("cpu", None).engine in installed_engines()


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cuda:x", "", "cuda:-1"])
def test_there_are_no_other_devices(name: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a device such as"):
        Device.of(name, "cpu")


def test_a_device_has_its_own_engines() -> None:
    with pytest.raises(ConfigurationError, match="expected an engine of openvino or cpu on cpu"):
        Device.of("cpu", "cuda")


def test_a_worker_that_was_told_cuda_does_not_take_the_cpu(folder: Path) -> None:
    assert "cuda" not in installed_engines()
    device = Device.of("cuda:0", "cuda")
    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        Models(ModelOptions(device=device, models_dir=folder)).try_usual()
    with pytest.raises(ModelError):
        Device.of("cuda:0", None)
