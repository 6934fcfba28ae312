"""Engines fail closed: what was asked for, or an error."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from model.export.parity import ParityReport
from model.runtime import engines
from model.runtime.engines import EngineOptions, installed_engines, open_session
from model.spec.errors import (
    ConfigurationError,
    EngineError,
    MissingPackageError,
    ModelFileError,
)

Exported = tuple[Path, list[ParityReport]]


def test_both_cpu_engines_are_here() -> None:
    assert set(installed_engines()) >= {"openvino", "cpu"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "abacus"}, "got 'abacus'"),
        ({"engine": "cpu", "precision": "bfloat16"}, "expected float32 on cpu, got 'bfloat16'"),
        ({"engine": "openvino", "precision": "float16"}, "expected float32 or bfloat16"),
        ({"batch_size": 0}, "batch of at least 1"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        EngineOptions(**options)


def test_cuda_without_a_gpu_build_is_an_error(exported: Exported) -> None:
    with pytest.raises(EngineError, match="expected CUDAExecutionProvider, got an onnxruntime"):
        open_session(exported[0], EngineOptions(engine="cuda"))


def test_a_silent_fall_back_is_an_error(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime may list CUDA, fail to start it, and hand out a session on the CPU."""
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    real = onnxruntime.InferenceSession

    def fall_back(path: str, settings: object, **_: object) -> object:
        return real(path, settings, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fall_back)
    with pytest.raises(
        EngineError, match="expected CUDAExecutionProvider, got a session on CPUExecutionProvider"
    ):
        open_session(exported[0], EngineOptions(engine="cuda"))


def test_a_cpu_without_bfloat16_is_an_error(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino  # noqa: PLC0415 - patched here only

    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(EngineError, match="expected a CPU with bfloat16"):
        open_session(exported[0], EngineOptions(engine="openvino", precision="bfloat16"))


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
def test_files_that_an_engine_cannot_read(engine: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        open_session(path, EngineOptions(engine=engine))


def test_a_missing_package_names_the_extra(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'aggpose-service\[cpu\]'"):
        open_session(exported[0], EngineOptions(engine="openvino"))
    assert installed_engines() == []


def test_tensorrt_options() -> None:
    options = EngineOptions(engine="tensorrt", precision="float16", cache_dir=Path("cache"))
    (name, settings), cuda, cpu = engines._provider_list(options)  # noqa: SLF001
    assert name == "TensorrtExecutionProvider"
    assert settings["trt_fp16_enable"] is True
    assert settings["trt_engine_cache_path"] == "cache"
    assert cuda == ("CUDAExecutionProvider", {"device_id": 0, "use_tf32": 0})
    assert cpu[0] == "CPUExecutionProvider"


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
def test_smaller_batches_than_compiled_give_the_same(
    engine: Any,  # noqa: ANN401
    exported: Exported,
) -> None:
    session = open_session(exported[0], EngineOptions(engine=engine, batch_size=3))
    generator = np.random.default_rng(0)
    batch = generator.integers(0, 256, (3, 256, 192, 3), dtype=np.uint8)
    whole = session.run(batch)["heatmaps"]
    np.testing.assert_allclose(session.run(batch[:2])["heatmaps"], whole[:2], atol=1e-4)
    assert session.run(batch[:1])["keypoints"].shape == (1, 21, 3)
