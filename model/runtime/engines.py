"""Engines that run exported models: ONNX Runtime on TensorRT, CUDA or CPU, and OpenVINO.

They fail closed: what runs is what was asked for, device and precision, or nothing does. A session
must be opened in the process that uses it: CUDA does not survive a fork.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ConfigurationError, EngineError, MissingPackageError, ModelFileError

EngineName = Literal["tensorrt", "cuda", "openvino", "cpu"]
Precision = Literal["float32", "bfloat16", "float16"]

PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "tensorrt": ("float32", "float16"),
    "cuda": ("float32",),
    "openvino": ("float32", "bfloat16"),
    "cpu": ("float32",),
}
"""The precisions each engine runs; the first is its default."""

COMPILED_FOR_A_BATCH: Final[frozenset[EngineName]] = frozenset({"tensorrt", "openvino"})
"""Engines that compile a model anew for each batch size; the others take batches of any."""

_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}

_ONNX_DTYPES = {"u8": "uint8", "f32": "float", "f16": "float16"}


@dataclass(frozen=True)
class EngineOptions:
    """How a model is to be run.

    Attributes:
        engine: `tensorrt` or `cuda` (NVIDIA), `openvino` or `cpu` (ONNX Runtime's).
        precision: Of the network's arithmetic. On OpenVINO decoding stays float32; TensorRT
            may compute float32 in TF32 and lower any part to float16; neither is measured yet.
        batch_size: Crops that go through the network together.
        threads: CPU threads; 0 leaves it to the engine.
        device_id: Which GPU.
        cache_dir: Where TensorRT keeps the engines that it builds; None builds anew each time.

    Raises:
        ConfigurationError: No such engine, or it does not run that precision.
    """

    engine: EngineName = "openvino"
    precision: Precision = "float32"
    batch_size: int = 8
    threads: int = 0
    device_id: int = 0
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.engine not in PRECISIONS:
            raise ConfigurationError(
                f"expected an engine of {', '.join(PRECISIONS)}, got {self.engine!r}"
            )
        if self.precision not in PRECISIONS[self.engine]:
            raise ConfigurationError(
                f"expected {' or '.join(PRECISIONS[self.engine])} on {self.engine}, "
                f"got {self.precision!r}"
            )
        if self.batch_size < 1 or self.threads < 0:
            raise ConfigurationError(
                f"expected a batch of at least 1 and no negative threads, got batch "
                f"{self.batch_size} and threads {self.threads}"
            )


class Session(Protocol):
    """A model opened on one engine."""

    input_shape: tuple[int | None, ...]
    input_dtype: str
    output_names: tuple[str, ...]

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run one batch of at most the session's batch size; outputs by name."""


def installed_engines() -> list[EngineName]:
    """The engines whose packages are installed, fastest first.

    ONNX Runtime for GPUs lists what it was built for, whether or not a GPU is there; opening a
    session tells.
    """
    found: list[EngineName] = []
    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime  # noqa: PLC0415 - only where it is installed

        available = onnxruntime.get_available_providers()
        gpu: tuple[EngineName, ...] = ("tensorrt", "cuda")
        found += [name for name in gpu if _PROVIDERS[name] in available]
    if importlib.util.find_spec("openvino"):
        found.append("openvino")
    if importlib.util.find_spec("onnxruntime"):
        found.append("cpu")
    return found


def precisions_here(engine: EngineName) -> tuple[Precision, ...]:
    """The precisions that an engine runs on this machine: OpenVINO's bfloat16 needs the CPU's."""
    if engine == "openvino" and "BF16" not in _openvino_capabilities():
        return ("float32",)
    return PRECISIONS[engine]


def _openvino_capabilities() -> list[str]:
    import openvino  # noqa: PLC0415 - of the cpu extra

    return list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def open_session(path: Path, options: EngineOptions) -> Session:
    """Open an ONNX file on an engine.

    Raises:
        MissingPackageError: The engine's package is not installed.
        EngineError: The device or precision that was asked for is not what would run.
        ModelFileError: The engine cannot read the file.
    """
    if options.engine == "openvino":
        _require("openvino", "cpu")
        return OpenVinoSession(path, options)
    _require("onnxruntime", "cpu" if options.engine == "cpu" else "gpu")
    return OnnxRuntimeSession(path, options)


def _require(package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingPackageError.of(package, extra)


class OnnxRuntimeSession:
    """ONNX Runtime; it falls back to the CPU in silence, so what came out is checked."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import onnxruntime  # noqa: PLC0415 - an exclusive extra

        provider = _PROVIDERS[options.engine]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise EngineError(
                f"expected {provider}, got an onnxruntime with {', '.join(available)}; for a GPU, "
                "uninstall onnxruntime and install the gpu extra"
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), settings, providers=_provider_list(options)
            )
            (model_input,) = self._session.get_inputs()
        except Exception as error:  # onnxruntime raises classes of no common base
            raise ModelFileError(
                f"{path}: ONNX Runtime cannot open it: {_first_line(error)}"
            ) from error
        self._session.disable_fallback()
        got = self._session.get_providers()[0]
        if got != provider:
            raise EngineError(
                f"expected {provider}, got a session on {got}: the driver, CUDA or TensorRT "
                "libraries are missing or do not fit"
            )
        self._input_name: str = model_input.name
        self._engine = options.engine
        self.input_shape = tuple(s if isinstance(s, int) else None for s in model_input.shape)
        self.input_dtype: str = model_input.type.removeprefix("tensor(").removesuffix(")")
        self.output_names = tuple(output.name for output in self._session.get_outputs())

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run one batch; its size is free."""
        try:
            outputs = self._session.run(None, {self._input_name: batch})
        except Exception as error:  # as above
            raise EngineError(f"{self._engine} failed: {_first_line(error)}") from error
        return dict(zip(self.output_names, outputs, strict=True))


def _first_line(error: Exception) -> str:
    """Engines explain themselves over many lines; the first that says something will do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _provider_list(options: EngineOptions) -> list[tuple[str, dict[str, Any]]]:
    """Providers with their options: the asked one, and those it needs for what it lacks."""
    cuda = (_PROVIDERS["cuda"], {"device_id": options.device_id, "use_tf32": 0})
    cpu: tuple[str, dict[str, Any]] = (_PROVIDERS["cpu"], {})
    if options.engine == "cpu":
        return [cpu]
    if options.engine == "cuda":
        return [cuda, cpu]
    tensorrt: dict[str, Any] = {
        "device_id": options.device_id,
        "trt_fp16_enable": options.precision == "float16",
    }
    if options.cache_dir is not None:
        tensorrt |= {
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(options.cache_dir),
            "trt_timing_cache_enable": True,
        }
    return [(_PROVIDERS["tensorrt"], tensorrt), cuda, cpu]


class OpenVinoSession:
    """OpenVINO on the CPU, compiled for one batch size: with a free one it is half as fast.

    Smaller batches are filled up with what is there already and cut off again.
    """

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import openvino  # noqa: PLC0415 - of the cpu extra

        hint = {"float32": "f32", "bfloat16": "bf16"}[options.precision]
        if options.precision not in precisions_here("openvino"):
            raise EngineError(
                f"expected a CPU with bfloat16, got one with {', '.join(_openvino_capabilities())}"
            )
        core = openvino.Core()
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint}
        if options.threads:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        try:
            model = core.read_model(str(path))
            (model_input,) = model.inputs
            shape = model_input.partial_shape
            self.input_shape = tuple(None if d.is_dynamic else d.get_length() for d in shape)
            self.input_dtype: str = _ONNX_DTYPES.get(model_input.element_type.get_type_name(), "")
            shape[0] = options.batch_size
            model.reshape(shape)
            compiled = core.compile_model(model, "CPU", settings)
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: OpenVINO cannot open it: {_first_line(error)}"
            ) from error
        got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if got != hint:
            raise EngineError(f"expected the precision {hint}, got {got}")
        self.output_names = tuple(output.any_name for output in compiled.outputs)
        self._batch_size = options.batch_size
        self._request: Any = compiled.create_infer_request()

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run one batch of at most the compiled size."""
        count = len(batch)
        if count < self._batch_size:
            batch = np.resize(batch, (self._batch_size, *batch.shape[1:]))
        try:
            outputs = self._request.infer({0: np.ascontiguousarray(batch)})
        except RuntimeError as error:
            raise EngineError(f"openvino failed: {_first_line(error)}") from error
        values = list(outputs.values())
        return {
            name: np.array(value[:count])
            for name, value in zip(self.output_names, values, strict=True)
        }
