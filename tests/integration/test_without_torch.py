"""What runs on the server and the workers runs where torch, onnx and ultralytics are not."""

import subprocess
import sys
from pathlib import Path

from model.export.parity import ParityReport

BLOCKED = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "onnx", "ultralytics"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

ESTIMATE = """
import importlib, pkgutil, sys
from pathlib import Path
import numpy as np
import model.runtime, model.spec

names = [
    info.name
    for package in (model.spec, model.runtime)
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]
assert len(names) > 10, names
for name in names:
    importlib.import_module(name)

from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch

for engine in ("cpu", "openvino"):
    estimator = PoseEstimator.open(Path(sys.argv[1]), EngineOptions(engine=engine, batch_size=2))
    found = estimator.estimate(CropBatch(np.zeros((3, 256, 192, 3), np.uint8)))
    assert found.keypoints_xy.shape == (3, 21, 2)
print("estimated")
"""

LIGHT = """
import model.spec.manifest, model.spec.onnx_file, model.spec.skeleton
heavy = {"cv2", "onnxruntime", "openvino"} & sys.modules.keys()
assert not heavy, heavy
print("light")
"""

QUICK = """
import workers.pipeline.probe_command, workers.sweeper_command
heavy = {"onnxruntime", "openvino", "scipy", "matplotlib"} & sys.modules.keys()
assert not heavy, heavy
print("quick")
"""

COMMAND = """
from workers.cli import main
sys.argv[1:] = ["model", *sys.argv[1:]]
main()
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_spec_and_runtime_import_and_estimate(exported: tuple[Path, list[ParityReport]]) -> None:
    done = run(ESTIMATE, exported[0])
    assert done.stdout == "estimated\n", done.stderr


def test_the_services_part_of_spec_brings_no_engine_and_no_pictures() -> None:
    done = run(LIGHT)
    assert done.stdout == "light\n", done.stderr


def test_probing_and_sweeping_load_nothing_that_finds_keypoints() -> None:
    done = run(QUICK)
    assert done.stdout == "quick\n", done.stderr


def test_commands_run_or_say_what_is_missing(exported: tuple[Path, list[ParityReport]]) -> None:
    assert "planted 1.2.3" in run(COMMAND, "inspect", exported[0]).stdout
    done = run(COMMAND, "list")
    assert done.returncode == 1
    assert done.stderr == (
        "aggpose: this needs torch, which is not installed: in the project's folder, "
        "pip install -c constraints.txt '.[train]' [model.missing_package]\n"
    )
