"""`aggpose evaluate` judges a checkpoint and its export alike, the export without torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from model.export.parity import ParityReport
from model.network.aggpose import AggPose
from model.network.checkpoints import Checkpoint, save_checkpoint
from model.spec.manifest import Provenance
from model.spec.skeleton import load_skeleton
from workers.cli import app

Exported = tuple[Path, list[ParityReport]]

WITHOUT_TORCH = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "onnx", "ultralytics"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())

from workers.cli import main
main()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures of smooth noise with an infant in two of them."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(5)
    names = list(load_skeleton("infant21").keypoints)
    images, annotations = [], []
    for number in (1, 2, 3):
        coarse = rng.integers(0, 255, (12, 16, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (160, 120)))
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
        if number < 3:
            points = np.column_stack([rng.uniform((30, 10), (130, 110), (21, 2)), np.full(21, 2)])
            annotations.append(
                {
                    "id": number, "image_id": number, "category_id": 1, "iscrowd": 0,
                    "bbox": [25, 5, 110, 110], "area": 6000.0, "num_keypoints": 21,
                    "keypoints": points.ravel().tolist(),
                }
            )  # fmt: skip
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "infant", "keypoints": names}],
    }
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


def test_a_checkpoint_and_its_export_are_judged_alike(
    planted_network: AggPose, exported: Exported, data: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "planted.pt"
    provenance = Provenance(trained=False, summary="planted peaks")
    save_checkpoint(Checkpoint(planted_network, provenance, "AGPL-3.0-or-later"), checkpoint)
    options = ["--turn", "label", "--flip-test", "--batch-size", "2", "--json"]

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "evaluate", exported[0], data, "--engine", "cpu",
         *options, "--out", tmp_path / "exported"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran = CliRunner().invoke(
        app,
        ["evaluate", str(checkpoint), str(data), *options, "--out", str(tmp_path / "network")],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0

    theirs, ours = json.loads(done.stdout), json.loads(ran.stdout)
    assert theirs["model"]["engine"] == "cpu"
    assert ours["model"]["engine"] == "torch-cpu"
    assert theirs["data"] == ours["data"]
    assert theirs["data"]["pictures"] == 3
    assert theirs["boxes"] == ours["boxes"]
    assert theirs["boxes"]["turned"] == 2
    for folder, printed in (("exported", theirs), ("network", ours)):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == [
            "evaluation.json", "evaluation.md", "keypoints.png", "results.json", "worst.png",
        ]  # fmt: skip
        assert json.loads((tmp_path / folder / "evaluation.json").read_text()) == printed
    here, there = (keypoints(tmp_path / folder) for folder in ("network", "exported"))
    assert here.shape == (2, 21, 3)
    np.testing.assert_allclose(here[..., 2], there[..., 2], atol=1e-4)
    near = np.abs(here[..., :2] - there[..., :2]).max(-1) < 0.02
    assert near.mean() > 0.8


def keypoints(folder: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = json.loads((folder / "results.json").read_text())
    return np.array([row["keypoints"] for row in rows]).reshape(len(rows), -1, 3)


def test_what_cannot_be_written_is_refused_before_the_work(
    exported: Exported, data: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "evaluate", exported[0], data,
         "--out", tmp_path / "no" / "such"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("No such file or directory [model.output]\n")
