"""The models of a worker: found by name, opened in the process that runs them, once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.runtime.detector import Detector
from model.runtime.engines import EngineName, EngineOptions, Precision, installed_engines
from model.runtime.pose import PoseEstimator
from model.spec.errors import ConfigurationError, MissingPackageError
from service.errors import ModelUnknownError
from service.models import ModelCatalogue

ENGINES_OF: Final[dict[str, tuple[EngineName, ...]]] = {
    "cpu": ("openvino", "cpu"),
    "cuda": ("cuda", "tensorrt"),
}
"""The engines of each kind of device; the first that is installed is its default."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where models run.

    Attributes:
        name: `cpu`, or `cuda:0` and the like.
        engine: What runs them there.
        device_id: Which GPU; 0 on CPUs.
    """

    name: str
    engine: EngineName
    device_id: int

    @classmethod
    def of(cls, name: str, engine: EngineName | None) -> "Device":
        """A device by its name, with the engine that is asked for or the device's usual one.

        Raises:
            ConfigurationError: There is no such device, or it has no such engine.
            MissingPackageError: None of its engines is installed.
        """
        kind, _, number = name.partition(":")
        if kind not in ENGINES_OF or (number and (kind == "cpu" or not number.isdecimal())):
            raise ConfigurationError(f"expected a device such as cpu or cuda:0, got {name!r}")
        engines = ENGINES_OF[kind]
        if engine is None:
            installed = [one for one in engines if one in installed_engines()]
            if not installed:
                package = "onnxruntime"
                raise MissingPackageError.of(package, "gpu" if kind == "cuda" else "cpu")
            engine = installed[0]
        if engine not in engines:
            raise ConfigurationError(
                f"expected an engine of {' or '.join(engines)} on {name}, got {engine}"
            )
        return cls(name=name, engine=engine, device_id=int(number or 0))


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a worker runs its models.

    Attributes:
        device: Where.
        precision: Of the pose model's arithmetic; the detector's is float32.
        batch_size: Crops that go through the pose model together.
        threads: CPU threads of each model; 0 leaves it to the engine.
        models_dir: A folder of model files, which go before those that ship with the package.
        cache_dir: Where TensorRT keeps the engines that it builds.
    """

    device: Device
    precision: Precision = "float32"
    batch_size: int = 8
    threads: int = 0
    models_dir: Path | None = None
    cache_dir: Path | None = None

    def for_pose(self) -> EngineOptions:
        """How the pose model is run."""
        return EngineOptions(
            engine=self.device.engine, precision=self.precision, batch_size=self.batch_size,
            threads=self.threads, device_id=self.device.device_id, cache_dir=self.cache_dir,
        )  # fmt: skip

    def for_detector(self) -> EngineOptions:
        """How the detector is run: one picture at a time."""
        return EngineOptions(
            engine=self.device.engine, batch_size=1, threads=self.threads,
            device_id=self.device.device_id, cache_dir=self.cache_dir,
        )  # fmt: skip


class Models:
    """Opens models when they are first asked for, and keeps the last pose model and the detector.

    Make it before a fork if you like, and ask it for models in the process that runs them.
    """

    def __init__(self, options: ModelOptions) -> None:
        self.options = options
        self._catalogue = ModelCatalogue(options.models_dir)
        self._pose: PoseEstimator | None = None
        self._detector: Detector | None = None

    def pose(self, name: str) -> PoseEstimator:
        """The pose model of this name.

        Raises:
            ModelUnknownError: There is none.
            ModelError: It cannot be opened as asked for.
        """
        if self._pose is None or self._pose.manifest.name != name:
            file = self._catalogue.pose_model(name)
            self._pose = None  # its memory first
            self._pose = PoseEstimator.open(file.path, self.options.for_pose())
        return self._pose

    def detector(self) -> Detector:
        """The detector: one of the worker's own folder goes before the one that ships.

        Raises:
            ModelUnknownError: There is none.
            ModelError: It cannot be opened as asked for.
        """
        if self._detector is None:
            files = [one for one in self._catalogue.models() if one.manifest.task == "detector"]
            own = [one for one in files if one.path.parent == self.options.models_dir]
            if not files:
                raise ModelUnknownError("expected a detector, got none")
            path = (own or files)[0].path
            self._detector = Detector.open(path, self.options.for_detector())
        return self._detector

    def try_usual(self) -> None:
        """Open the detector and the usual pose model, to see that they run where they shall.

        Raises:
            ModelUnknownError: There is no pose model, or no detector.
            ModelError: One cannot be opened as asked for.
        """
        self.detector()
        self.pose(self._catalogue.pose_model().manifest.name)
