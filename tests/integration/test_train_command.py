"""The paper's recipe end to end, by the command, on a tiny set; and what the command refuses."""

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch

from model.network.aggpose import build_aggpose
from model.network.checkpoints import load_checkpoint
from model.network.names import mit_name
from tests.folders import MakeFolder

COMMAND = [str(Path(sys.executable).with_name("aggpose")), "train"]
SHORT = ["--shorten", "1e-4", "--device", "cpu", "--precision", "float32"]


def train(*arguments: object) -> "subprocess.CompletedProcess[str]":
    words = [*COMMAND, *(str(one) for one in arguments), "--loaders", "0"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def mit_weights(tmp_path: Path) -> Path:
    """Weights under the names that ImageNet's Mix Transformer is published with."""
    torch.manual_seed(0)
    plain = build_aggpose("aggpose-t", fusion="none").state_dict()
    named = {mit: tensor for name, tensor in plain.items() if (mit := mit_name(name)) is not None}
    path = tmp_path / "mit_b0.pth"
    torch.save(named, path)
    return path


def test_the_chain_runs_end_to_end(
    make_folder: MakeFolder, mit_weights: Path, tmp_path: Path
) -> None:
    """ImageNet weights, a plain Mix Transformer, AggPose level by level, COCO, infants.

    The recipes as they ship, but for tiny batches of tiny crops and the smallest network.
    """
    coco, infants = make_folder(4, skeleton_id="coco17"), make_folder(4)
    source = mit_weights
    for recipe, folder in (
        ("paper-a-mix-transformer", coco),
        ("paper-b-into-aggpose", coco),
        ("paper-c-levels", coco),
        ("paper-d-whole", coco),
        ("paper-e-infants", infants),
    ):
        data, out = folder.file.parent, tmp_path / recipe
        text = (resources.files("model.training.recipes") / f"{recipe}.toml").read_text()
        text, sizes = re.subn(r"input_hw = .*", "input_hw = [64, 64]", text)
        text, batches = re.subn(r"batch_size = .*", "batch_size = 2", text)
        assert sizes == batches == text.count("[[phases.grids]]") > 0
        tiny = tmp_path / f"{recipe}.toml"
        tiny.write_text(text)
        words = [tiny, "--data", data, "--val", data, "--out", out, "--from", source, *SHORT]
        result = train(*words, *(["--size", "aggpose-t"] if recipe < "paper-c" else []))
        assert result.returncode == 0, result.stderr
        assert source.name in result.stdout
        source = out / "last.pt"
    network, provenance, _ = load_checkpoint(source)
    assert network.config.num_keypoints == 21
    assert provenance.recipe == "paper-e-infants"
    assert "last layer fresh" in provenance.summary


def test_called_again_it_goes_on_and_says_so(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = make_folder(4).file.parent
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\nsummary = "Mine."\n[network]\nsize = "aggpose-t"\n'
        "[[phases]]\nsteps = 3\n[[phases.grids]]\ninput_hw = [64, 64]\nbatch_size = 2\n"
    )
    words = (recipe, "--data", data, "--val", data, "--out", tmp_path / "run")
    first = train(*words, "--minutes", "1e-9")
    assert "call again to go on" in first.stdout
    second = train(*words)
    assert "goes on behind step 1" in second.stdout
    assert "done: best AP" in second.stdout
    assert "images/s" in second.stderr


def test_two_processes_stop_and_go_on_to_the_same_weights(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    data = make_folder(6).file.parent
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\nsummary = "Mine."\n[network]\nsize = "aggpose-t"\n'
        "[[phases]]\nsteps = 3\naccumulate = 2\nfrozen_levels = [2]\n"
        "[[phases.grids]]\ninput_hw = [64, 64]\nbatch_size = 1\n"
    )
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2"]
    command = [*torchrun, "--no-python", *COMMAND, str(recipe), "--data", str(data)]
    command += ["--val", str(data), "--loaders", "0", "--precision", "float32", "--device", "cpu"]
    for out, *more in (("whole",), ("broken", "--minutes", "1e-9"), ("broken",)):
        words = [*command, "--out", str(tmp_path / out), *more]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("mine: 6 infants") == 1  # one of them speaks
    assert "goes on behind step 1" in result.stdout
    whole, broken = (
        load_checkpoint(tmp_path / out / "last.pt").network.state_dict()
        for out in ("whole", "broken")
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, broken[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("no-such-recipe",), "model.recipe"),
        (("fine-tune",), "model.recipe"),
        (("infant-t-cpu", "--device", "quantum"), "model.training"),
        (("infant-t-cpu", "--data", "/nowhere"), "model.dataset"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], code: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    data = make_folder(2).file.parent
    result = train(*words, "--data", data, "--val", data, "--out", tmp_path / "run")
    assert result.returncode == 1
    assert result.stderr.startswith("aggpose: ")
    assert result.stderr.endswith(f"[{code}]\n")
    assert len(result.stderr.splitlines()) == 1
