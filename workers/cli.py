"""The composition root: the `aggpose` command, made of names and lazy imports only.

Each room owns its command module; this file says which words lead there. A command's module is
imported when the command is called, so that `aggpose --help` is quick and a machine without torch
can run everything that needs none.
"""

import importlib
import sys
from importlib import metadata

import click

from model.spec.errors import MissingPackageError, ModelError
from model.spec.exit_codes import FAILED, INTERRUPTED
from service.client_errors import ClientError
from service.errors import ServiceError
from workers.errors import WorkerError
from workers.pipeline.errors import PipelineError

MODEL_COMMANDS = {
    "list": ("model.network.commands:list_sizes", "The sizes of AggPose and what they cost."),
    "convert": (
        "model.network.commands:convert",
        "Turn a checkpoint of the authors' into one of ours.",
    ),
    "compact": ("model.network.commands:compact", "Halve the size of a checkpoint."),
    "export": ("model.export.commands:export", "Write a checkpoint as a verified ONNX model."),
    "inspect": ("model.runtime.commands:inspect", "Show what an ONNX model says of itself."),
    "bench": ("model.runtime.commands:bench", "Time an ONNX model on this machine."),
}

SYNTH_COMMANDS = {
    "images": ("model.synthetic.commands:images", "Make labelled pictures, as COCO keypoints."),
    "film": ("model.synthetic.commands:film_command", "Make a film with its ground truth."),
    "sheet": ("model.synthetic.commands:sheet_command", "Draw samples side by side."),
    "stats": ("model.synthetic.commands:stats_command", "Say what a folder of pictures holds."),
}

VIDEO_COMMANDS = {
    "extract": ("workers.pipeline.commands:extract", "Find keypoints in videos, and mask them."),
    "probe": ("workers.pipeline.probe_command:probe", "Say what a video says of itself."),
    "bench": ("workers.pipeline.bench_command:bench", "Time the extraction of a video."),
}

SERVICE_COMMANDS = {
    "up": ("service.commands:up", "Run the whole system on this machine, in one folder."),
    "submit": ("service.submit_command:submit", "Have videos worked on by a running service."),
    "serve": ("service.commands:serve", "Answer the REST API's requests."),
    "worker": ("workers.commands:worker", "Work on jobs: find keypoints, make previews."),
    "sweeper": ("workers.sweeper_command:sweeper", "Look for jobs that were lost."),
}

KEY_COMMANDS = {
    "create": ("service.commands:create_key", "Make an API key, and print it once."),
    "list": ("service.commands:list_keys", "List the API keys without their secrets."),
    "revoke": ("service.commands:revoke_key", "End an API key."),
}

DATABASE_COMMANDS = {
    "upgrade": ("service.commands:upgrade_database", "Make the tables, or bring them up to date."),
    "downgrade": ("service.commands:downgrade_database", "Go back to an older version."),
    "current": ("service.commands:show_database", "Say of which version the tables are."),
    "orphans": ("service.commands:orphans", "List blobs that no row names; remove them."),
}

DATA_COMMANDS = {
    "check": ("model.training.data.commands:check", "Say what is wrong with a data set."),
    "hardest": (
        "model.training.detector.hardest:command",
        "Make a data set of what a detector gets wrong.",
    ),
    "mask-heads": ("model.training.data.commands:mask_heads", "Copy a data set, heads covered."),
}

TRAIN_COMMANDS = {
    "pose": ("model.training.pose.commands:train", "Train AggPose by a recipe (the default)."),
    "detector": ("model.training.detector.commands:train", "Train the detector."),
}

EVALUATE_COMMANDS = {
    "pose": (
        "model.training.evaluation.commands:evaluate",
        "How near a pose model's keypoints are to their labels (the default).",
    ),
    "detector": ("model.training.detector.commands:evaluate", "What a detector finds and misses."),
}

EXTRA_OF_PACKAGE = {
    "av": "cpu",
    "matplotlib": "train",
    "numba": "synthetic",
    "onnx": "train",
    "onnxruntime": "cpu",
    "openvino": "cpu",
    "pycocotools": "train",
    "scipy": "cpu",
    "tensorboardX": "train",
    "torch": "train",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports each when it is called.

    `lazy` maps a word to `module:attribute` and one line of help. Where there is a `default`, it
    is meant when the first argument is none of the words.
    """

    def __init__(
        self, name: str, lazy: dict[str, tuple[str, str]], help_text: str, default: str = ""
    ) -> None:
        super().__init__(name, help=help_text, context_settings={"help_option_names": _HELP})
        self._lazy = lazy
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default's word in front where none stands."""
        words = {*self.list_commands(ctx), *_HELP}
        if self._default and args and args[0] not in words:
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; Ctrl-C, if it does not stop by itself, ends it as shells say it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The words that may follow, in the order of the work."""
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind a word, imported if need be, or None where there is none."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module_name, attribute = self._lazy[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._lazy[cmd_name][0]} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        own = {name: command.get_short_help_str() for name, command in self.commands.items()}
        lazy = {name: summary for name, (_, summary) in self._lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list((own | lazy).items()))


_HELP = ["-h", "--help"]

app = LazyGroup(
    "aggpose",
    VIDEO_COMMANDS | SERVICE_COMMANDS,
    "Infant pose from clinical video: AggPose as a service.",
)
app.add_command(LazyGroup("keys", KEY_COMMANDS, "Make and end API keys."))
app.add_command(LazyGroup("db", DATABASE_COMMANDS, "Keep the database's tables up to date."))
app.add_command(LazyGroup("model", MODEL_COMMANDS, "Make, check and time models."))
app.add_command(LazyGroup("synth", SYNTH_COMMANDS, "Make labelled synthetic infants."))
app.add_command(LazyGroup("data", DATA_COMMANDS, "Check labelled pictures, cover their heads."))
app.add_command(LazyGroup("train", TRAIN_COMMANDS, "Train models on labelled pictures.", "pose"))
app.add_command(LazyGroup("evaluate", EVALUATE_COMMANDS, "Judge models by labels.", "pose"))
click.version_option(metadata.version("aggpose-service"), prog_name="aggpose")(app)


def main() -> None:
    """Run the command; every expected error is one line on stderr and exit status 1 or 2.

    Ctrl-C gives 130.
    """
    try:
        app(prog_name="aggpose")
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in EXTRA_OF_PACKAGE:
            raise
        _fail(MissingPackageError.of(package, EXTRA_OF_PACKAGE[package]))
    except (ModelError, PipelineError, ServiceError, ClientError, WorkerError) as error:
        _fail(error)


def _fail(error: ModelError | PipelineError | ServiceError | ClientError | WorkerError) -> None:
    click.echo(f"aggpose: {error} [{error.code}]", err=True)
    sys.exit(FAILED)


if __name__ == "__main__":
    main()
