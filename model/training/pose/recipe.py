"""Recipes: what to train, in which order, as TOML files that a person can read in a minute."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.network.sizes import Fusion
from model.spec.errors import RecipeError

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(gt=0, multiple_of=32)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkPart(_Part):
    """Which AggPose, and what its weights start from.

    Attributes:
        size: As in `aggpose-t`; `same` for that of the checkpoint that it starts from.
        fusion: How levels are merged (decision 9); `none` for a plain Mix Transformer; `same`
            likewise.
        start: `random`; `mit`, ImageNet's Mix Transformer into every level; `plain`, a trained
            Mix Transformer of fusion `none` into every level; `checkpoint`, one of the same shape.
            All but `random` need a file (`--from`).
        drop_path: Share of dropped residual paths at the deepest block, in place of the size's. A
            network that does no better on what it learned from than elsewhere wants 0.
    """

    size: str
    fusion: Fusion | Literal["same"] = "paper"
    start: Literal["random", "mit", "plain", "checkpoint"] = "random"
    drop_path: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "same" in (self.size, self.fusion) and self.start != "checkpoint":
            raise ValueError("only what starts from a checkpoint can be the same as it")
        return self


class AugmentationPart(_Part):
    """How pictures are varied; shares are probabilities.

    The defaults are the paper's line (Section 4.2, after HRNet).

    Attributes:
        scale: The padded box is scaled by 1 +- this much.
        shift: The box is moved by up to this share of its width.
        rotation_deg: Deviation of a normal turn, cut at twice this.
        rotated: Share of crops that are turned so.
        any_direction: Share of crops turned by any angle at all instead; the rest lie trunk down
            first if `upright`.
        upright: Turn the trunk down before anything else, as the pipeline will.
        flipped: Share of mirrored crops, left and right exchanged.
        half_body: Share of crops around the upper or the lower body alone.
        colour: Strength of jitter of brightness, contrast, saturation and hue; 0 for none.
        grey: Share of grey crops.
        blurred: Share of crops blurred, evenly or along a line.
        noisy: Share of crops with sensor noise.
        shrunk: Share of crops scaled down and up again.
        compressed: Share of crops sent through a coarse JPEG.
        dropout: Share of crops with up to three patches painted over.
        head_masked: Share of crops with the head made unrecognisable: mosaic, speckle, blur or
            plain, as published data come and previews show.
    """

    scale: Share = 0.35
    shift: Share = 0.0
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 45.0
    rotated: Share = 0.6
    any_direction: Share = 0.0
    upright: bool = False
    flipped: Share = 0.5
    half_body: Share = 0.3
    colour: Share = 0.2
    grey: Share = 0.0
    blurred: Share = 0.0
    noisy: Share = 0.0
    shrunk: Share = 0.0
    compressed: Share = 0.0
    dropout: Share = 0.0
    head_masked: Share = 0.0


class OptimiserPart(_Part):
    """AdamW and its learning rate.

    Attributes:
        learning_rate: At its highest.
        schedule: `steps`: a tenth of it after each of `milestones`; `cosine`: down to 1 %.
        milestones: Shares of all steps (170 and 200 of 210 epochs are HRNet's).
        warm_up_steps: Steps of linear rise.
        weight_decay: AdamW's; not for biases and norms.
        clip_norm: Gradients are scaled down to this length.
        ema_decay: Of the moving average of weights that is judged and kept; 0 for none.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: tuple[Share, ...] = (170 / 210, 200 / 210)
    warm_up_steps: Annotated[int, Field(ge=0)] = 500
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998


class LossPart(_Part):
    """What is minimised over labelled joints.

    Attributes:
        squares: Weight of the mean squared difference of heatmaps.
        cross_entropy: Weight of the spatial cross-entropy between the target Gaussian and the
            softmax of `sharpness` times the heatmap.
        sharpness: See above.
        occluded: Weight of an occluded joint beside a visible one's 1.
    """

    squares: Annotated[float, Field(ge=0)] = 1000.0
    cross_entropy: Annotated[float, Field(ge=0)] = 2.0
    sharpness: Annotated[float, Field(gt=0)] = 10.0
    occluded: Share = 1.0


class Grid(_Part):
    """One crop size of a phase.

    Attributes:
        input_hw: Crop height and width in px.
        batch_size: Crops a step and process.
        share: Of the steps, beside the other sizes of the phase.
        sigma_px: Deviation of the target Gaussian in heatmap px; None for the codec's own.
    """

    input_hw: tuple[Side, Side] = (256, 192)
    batch_size: Annotated[int, Field(gt=0)] = 32
    share: Annotated[float, Field(gt=0)] = 1.0
    sigma_px: Annotated[float, Field(gt=0)] | None = None


class Phase(_Part):
    """A stretch of training.

    Attributes:
        steps: Optimiser steps.
        epochs: Or passes over the data (a step of the first grid counts its batch).
        grids: Crop sizes; steps are dealt out among them.
        accumulate: Batches whose gradients are summed to one step.
        frozen_levels: Resolution levels 1 to 4 whose branches and embeddings stay as they are;
            merges and the head always learn.
    """

    steps: Annotated[int, Field(gt=0)] | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)] = (Grid(),)
    accumulate: Annotated[int, Field(gt=0)] = 1
    frozen_levels: tuple[Literal[1, 2, 3, 4], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("expected either steps or epochs")
        return self


class Recipe(_Part):
    """Everything about a training but its data.

    Attributes:
        name: Short, goes into the model's provenance.
        summary: One sentence for people.
        network: Which network, from what.
        augmentation: How pictures are varied.
        optimiser: How weights move.
        loss: What is minimised.
        phases: One after another; the learning rate's schedule spans them all.
        validate_every: Steps between validations.
        validation_pictures: At most so many, evenly spread over the validation set.
    """

    name: str
    summary: str
    network: NetworkPart
    augmentation: AugmentationPart = AugmentationPart()
    optimiser: OptimiserPart = OptimiserPart()
    loss: LossPart = LossPart()
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    validate_every: Annotated[int, Field(gt=0)] = 1000
    validation_pictures: Annotated[int, Field(gt=0)] = 500


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    folder = resources.files("model.training.recipes")
    return tuple(
        sorted(
            item.name.removesuffix(".toml")
            for item in folder.iterdir()
            if item.name[-5:] == ".toml"
        )
    )


def load_recipe(name: str) -> Recipe:
    """Read a recipe.

    Args:
        name: Of a shipped recipe, or the path of a TOML file.

    Raises:
        RecipeError: There is none, it is no TOML, or a field is wrong; the message names it.
    """
    try:
        if name in shipped_recipes():
            text = resources.files("model.training.recipes").joinpath(f"{name}.toml").read_text()
        else:
            text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(shipped_recipes())
        raise RecipeError(f"expected a TOML file or one of {known}; got {name!r}") from error
    return parse_recipe(text, name)


def parse_recipe(text: str, name: str) -> Recipe:
    """Read a recipe from TOML text; `name` is for the error.

    Raises:
        RecipeError: See `load_recipe`.
    """
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name}: expected TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        )
        raise RecipeError(f"{name}: {problems}") from error
