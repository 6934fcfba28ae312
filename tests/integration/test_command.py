"""The `aggpose model` command as a stranger meets it: the installed program, in a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.export.parity import ParityReport
from model.network.aggpose import build_aggpose
from model.network.checkpoints import load_checkpoint
from model.network.names import released_name
from model.runtime.engines import precisions_here

AGGPOSE = Path(sys.executable).with_name("aggpose")
Exported = tuple[Path, list[ParityReport]]


def aggpose(
    *arguments: object, status: int = 0, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command, in a folder, and check its exit status."""
    done = subprocess.run(
        [AGGPOSE, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == status, done.stderr
    return done


def test_help_lists_every_command() -> None:
    text = aggpose("model", "--help").stdout
    assert all(word in text for word in ("list", "convert", "export", "inspect", "bench"))
    assert "model" in aggpose("--help").stdout
    assert "AggPose" in aggpose("model", "convert", "--help").stdout


def test_list_stands_beside_the_papers_numbers() -> None:
    rows = json.loads(aggpose("model", "list", "--json").stdout)
    found = {(row["size"], tuple(row["input_hw"]), row["num_keypoints"]): row for row in rows}
    assert len(found) == 12
    large = found["aggpose-l", (256, 192), 21]
    assert large["parameters"] == 96_752_085
    assert large["multiply_adds"] / 1e9 == pytest.approx(14.96, rel=0.005)
    assert large["paper_giga_multiply_adds"] == 15.0
    small = found["aggpose-s", (256, 192), 17]
    assert (round(small["multiply_adds"] / 1e9, 2), small["paper_giga_multiply_adds"]) == (6.91, 9)
    table = aggpose("model", "list").stdout
    assert "14.96  15.0" in table
    assert "is not: no way of" in table


def test_from_a_released_checkpoint_to_keypoints(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = build_aggpose("aggpose-t")
    tensors = {released_name(name): t for name, t in network.state_dict().items()}
    released, ours, model = (tmp_path / name for name in ("theirs.pth", "ours.pt", "model.onnx"))
    torch.save({"state_dict": {f"module.{name}": t for name, t in tensors.items()}}, released)

    said = aggpose("model", "convert", released, "--out", ours).stdout
    assert "aggpose-t, 21 keypoints, 6,295,285 parameters" in said
    loaded = load_checkpoint(ours).network
    weight = "stages.2.branches.1.blocks.0.attn.q.weight"
    assert torch.equal(loaded.state_dict()[weight], network.state_dict()[weight])

    said = aggpose("model", "export", ours, "--out", model, "--name", "mine").stdout
    assert said.count("agrees:") == 4
    assert "mine 0.1.0" in said

    text = aggpose("model", "inspect", model).stdout
    assert "converted from the authors' released checkpoint theirs.pth" in text
    manifest = json.loads(aggpose("model", "inspect", model, "--json").stdout)
    assert manifest["skeleton"]["id"] == "infant21"
    assert manifest["outputs"] == ["keypoints"]
    assert manifest["licence"] == "LicenseRef-as-released-by-the-authors"


def test_bench_times_every_engine(exported: Exported) -> None:
    arguments = ("model", "bench", exported[0], "--seconds", "0.2", "--batch", "2")
    rows = json.loads(aggpose(*arguments, "--json").stdout)
    here = {("openvino", precision) for precision in precisions_here("openvino")}
    assert {(row["engine"], row["precision"]) for row in rows} == here | {("cpu", "float32")}
    assert all(row["frames_per_s"] > 0.1 and row["batch_size"] == 2 for row in rows)
    table = aggpose(*arguments, "--engine", "cpu").stdout.splitlines()
    assert table[0].split()[:3] == ["engine", "precision", "batch"]
    assert len(table) == 2
    nothing = aggpose("model", "bench", exported[0], "--precision", "float16", status=1)
    assert "expected an engine that runs float16, got openvino, cpu" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "nothing.onnx"), "nothing.onnx: cannot be read: No such file"),
        (("bench", "nothing.onnx"), "nothing.onnx"),
        (("convert", "nothing.pth", "--out", "x.pt"), "nothing.pth: cannot be read: No such file"),
        (("export", "--out", "x.onnx"), "expected either CHECKPOINT or --random-weights SIZE"),
        (("export", "nothing.pt", "--out", "x.onnx"), "cannot be read: No such file"),
        (("export", "x.pt", "--out", "x.onnx", "--keypoints", "17"), "CHECKPOINT alone"),
        (("export", "--random-weights", "aggpose-t", "--out", "."), "got a folder"),
        (("export", "--random-weights", "aggpose-t", "--out", "x", "--name", ""), "got ''"),
    ],
)
def test_errors_are_one_line_with_a_code(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = aggpose("model", *arguments, status=1, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert message in done.stderr
    assert done.stderr.startswith("aggpose: ")
    assert done.stderr.rstrip().endswith("]")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_unknown_words_are_usage_errors() -> None:
    assert "No such command" in aggpose("modle", status=2).stderr
    assert "No such option" in aggpose("model", "list", "--colour", status=2).stderr
