"""The trainer: exact resume, what it leaves, what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.network.aggpose import AggPose, AggPoseConfig
from model.network.checkpoints import load_checkpoint
from model.network.names import mit_name
from model.network.sizes import SIZES
from model.runtime.engines import Precision
from model.spec.errors import CheckpointError, DatasetError, RecipeError, TrainingError
from model.training.pose import trainer as trainer_module
from model.training.pose.processes import Processes
from model.training.pose.recipe import (
    AugmentationPart,
    Grid,
    NetworkPart,
    OptimiserPart,
    Phase,
    Recipe,
)
from model.training.pose.starting import freeze, starting_network
from model.training.pose.trainer import Settings, Trainer
from tests.folders import MakeFolder

SMALL = Grid(input_hw=(64, 64), batch_size=4)
RECIPE = Recipe(
    name="small",
    summary="A small run.",
    network=NetworkPart(size="aggpose-t"),
    augmentation=AugmentationPart(scale=0.1, rotated=0.5, rotation_deg=10, half_body=0),
    optimiser=OptimiserPart(warm_up_steps=2, schedule="cosine"),
    phases=(
        Phase(steps=4, grids=(SMALL,), frozen_levels=(2,)),
        Phase(steps=3, grids=(SMALL,), accumulate=2),
    ),
    validate_every=5,
)

MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def make_trainer(make_folder: MakeFolder) -> MakeTrainer:
    folder = make_folder(6)

    def make(
        out: Path,
        recipe: Recipe = RECIPE,
        *,
        seed: int = 1,
        precision: Precision = "float32",
        save_every_s: float = 300,
        stop_after_s: float | None = None,
    ) -> Trainer:
        out.mkdir(exist_ok=True)
        settings = Settings(
            out=out, seed=seed, precision=precision, save_every_s=save_every_s,
            stop_after_s=stop_after_s,
        )  # fmt: skip
        return Trainer(recipe, [folder], folder, settings, Processes())

    return make


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).network.state_dict()


@pytest.mark.parametrize(
    ("killed_at", "precision"), [(1, "float32"), (3, "float32"), (5, "float16"), (6, "float32")]
)
def test_killed_and_resumed_is_never_killed(
    killed_at: int,
    precision: Precision,
    make_trainer: MakeTrainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = make_trainer(tmp_path / "whole", precision=precision)
    list(whole.run())

    broken = make_trainer(tmp_path / "broken", save_every_s=0, precision=precision)

    monkeypatch.setattr(trainer_module, "REPORT_EVERY_S", 0)  # and with it a state every step
    assert next(row for row in broken.run() if row["step"] == killed_at)  # and no further
    resumed = make_trainer(tmp_path / "broken", precision=precision)
    assert resumed.state.step == killed_at
    list(resumed.run())
    for name in ("best.pt", "last.pt"):
        expected = weights(tmp_path / "whole" / name)
        for key, tensor in weights(tmp_path / "broken" / name).items():
            assert torch.equal(tensor, expected[key]), key
    own = whole.network.state_dict()
    assert all(torch.equal(t, own[k]) for k, t in resumed.network.state_dict().items())


def test_a_run_that_is_out_of_time_leaves_its_last_weights(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    whole, out = make_trainer(tmp_path / "whole"), tmp_path / "short"
    list(whole.run())
    short = make_trainer(out, stop_after_s=0)
    assert [row["step"] for row in short.run()] == [1]
    average = short.average.state_dict()
    assert all(torch.equal(t, average[k]) for k, t in weights(out / "last.pt").items())
    assert not (out / "best.pt").exists()
    list(make_trainer(out).run())
    for name in ("best.pt", "last.pt"):
        expected = weights(tmp_path / "whole" / name)
        assert all(torch.equal(t, expected[k]) for k, t in weights(out / name).items())


def test_samples_from_other_processes_change_nothing(
    make_trainer: MakeTrainer, make_folder: MakeFolder, tmp_path: Path
) -> None:
    alone = make_trainer(tmp_path / "alone")
    list(alone.run())
    folder = make_folder(6)
    (tmp_path / "helped").mkdir()
    settings = Settings(out=tmp_path / "helped", seed=1, loaders=2)
    helped = Trainer(RECIPE, [folder], folder, settings, Processes())
    list(helped.run())
    own = alone.network.state_dict()
    assert all(torch.equal(t, own[k]) for k, t in helped.network.state_dict().items())


def test_a_run_leaves_its_files(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    out = tmp_path / "run"
    rows = list(make_trainer(out).run())
    assert rows[-1]["step"] == 7
    assert rows[-1]["val_ap"] is not None
    lines = (out / "metrics.csv").read_text().splitlines()
    assert lines[0].startswith("step,images,seconds,learning_rate,loss")
    assert [line.split(",")[0] for line in lines[1:]] == ["5", "7"]
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert list((out / "tensorboard").iterdir())
    provenance = load_checkpoint(out / "last.pt").provenance
    assert provenance.trained
    assert provenance.recipe == "small"
    assert "6 infants" in (provenance.data or "")


def test_it_learns(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "REPORT_EVERY_S", 0)
    part = AugmentationPart(scale=0, rotated=0, flipped=0, half_body=0, colour=0)
    recipe = RECIPE.model_copy(
        update={"augmentation": part, "phases": (Phase(steps=80, grids=(SMALL,)),)}
    )
    trainer = make_trainer(tmp_path / "run", recipe)
    losses = [row["loss"] for row in trainer.run() if row["loss"] is not None]
    assert len(losses) == 80
    assert min(losses[-5:]) < losses[0] - 1.2


def test_frozen_levels_stay(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(
        update={"phases": (Phase(steps=2, grids=(SMALL,), frozen_levels=(1, 3)),)}
    )
    trainer = make_trainer(tmp_path / "run", recipe)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    list(trainer.run())
    for name, tensor in trainer.network.state_dict().items():
        level = (mit_name(name) or "none0.").split(".")[0][-1]
        moved = not torch.equal(tensor, before[name])
        if level in "13":
            assert not moved, name
        elif name.endswith("weight") and ".sr." not in name:
            assert moved, name


def test_bfloat16_runs(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    rows = list(make_trainer(tmp_path / "run", precision="bfloat16").run())
    assert rows[-1]["loss"] is not None


def test_another_recipe_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    list(make_trainer(tmp_path / "run").run())
    with pytest.raises(TrainingError, match="another recipe, start, data, seed"):
        make_trainer(tmp_path / "run", seed=2)


def test_other_data_is_refused(
    make_trainer: MakeTrainer, make_folder: MakeFolder, tmp_path: Path
) -> None:
    """Also where annotations have the same ids."""
    list(make_trainer(tmp_path / "run").run())
    other = make_folder(6, seed=9)
    with pytest.raises(TrainingError, match="another recipe, start, data"):
        Trainer(RECIPE, [other], other, Settings(tmp_path / "run", seed=1), Processes())


def test_a_broken_picture_is_one_line_from_a_loader_too(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(2)
    for picture in folder.pictures:
        picture.path.write_bytes(picture.path.read_bytes()[:300])
    for loaders in (0, 1):
        out = tmp_path / str(loaders)
        out.mkdir()
        trainer = Trainer(RECIPE, [folder], folder, Settings(out, loaders=loaders), Processes())
        with pytest.raises(DatasetError, match=r"^00\d.png: expected a whole picture, got one"):
            list(trainer.run())


def test_numbers_that_blow_up_stop_the_run(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    optimiser = OptimiserPart(learning_rate=1e30, warm_up_steps=0)
    with pytest.raises(TrainingError, match="finite loss"):
        list(make_trainer(tmp_path, RECIPE.model_copy(update={"optimiser": optimiser})).run())


def start(recipe_start: str, source: Path | None, **network: str) -> tuple[AggPose, str]:
    part = NetworkPart.model_validate({"size": "aggpose-t", "start": recipe_start} | network)
    recipe = RECIPE.model_copy(update={"network": part})
    return starting_network(recipe, num_keypoints=21, source=source)


def test_a_plain_mix_transformer_goes_into_every_level(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    part = NetworkPart(size="aggpose-t", fusion="none")
    list(make_trainer(tmp_path / "plain", RECIPE.model_copy(update={"network": part})).run())
    plain = weights(tmp_path / "plain" / "last.pt")
    network, said = start("plain", tmp_path / "plain" / "last.pt")
    assert "last.pt" in said
    own = network.state_dict()
    name = "branches.1.blocks.0.attn.q.weight"
    for stage in (1, 2, 3):
        assert torch.equal(own[f"stages.{stage}.{name}"], plain[f"stages.1.{name}"])
    assert torch.equal(own["head.predict.fc2.weight"], plain["head.predict.fc2.weight"])
    with pytest.raises(CheckpointError, match="fusion none"):
        start("plain", _saved(make_trainer, tmp_path / "whole"))


def _saved(make_trainer: MakeTrainer, out: Path) -> Path:
    list(make_trainer(out).run())
    return out / "last.pt"


def test_a_checkpoint_of_other_keypoints_keeps_all_but_the_last_layer(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    source = _saved(make_trainer, tmp_path / "run")
    recipe = RECIPE.model_copy(
        update={"network": NetworkPart(size="same", fusion="same", start="checkpoint", drop_path=0)}
    )
    network, said = starting_network(recipe, num_keypoints=17, source=source)
    assert "last layer fresh" in said
    theirs = weights(source)
    for name, tensor in network.state_dict().items():
        if not name.startswith("head.predict.fc2"):
            assert torch.equal(tensor, theirs[name])
    assert network.config.num_keypoints == 17
    assert network.config.drop_path_rate == 0


def test_a_start_needs_its_file() -> None:
    with pytest.raises(RecipeError, match="a file for the start mit"):
        start("mit", None)
    with pytest.raises(RecipeError, match="no file to start from"):
        start("random", Path("x.pt"))


def test_freezing_leaves_merges_and_head() -> None:
    network = AggPose(AggPoseConfig(SIZES["aggpose-t"], 21, input_size_hw=(64, 64)))
    freeze(network, Phase(steps=1, frozen_levels=(1, 2, 3, 4)))
    moving = {
        name.split(".")[2] if name[0] == "s" else "head"
        for name, p in network.named_parameters()
        if p.requires_grad
    }
    assert moving == {"fusions", "head"}
