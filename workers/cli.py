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

COMMANDS = {
    "model": ("model.export.commands:app", "List, convert, export, inspect and time models."),
    "synth": ("model.synthetic.commands:app", "Make labelled synthetic infants."),
}

EXTRA_OF_PACKAGE = {
    "av": "synthetic",
    "matplotlib": "synthetic",
    "numba": "synthetic",
    "onnx": "train",
    "onnxruntime": "cpu",
    "openvino": "cpu",
    "scipy": "synthetic",
    "torch": "train",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports each when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The words that may follow `aggpose`, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command behind a word, or None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module_name, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("aggpose-service"), prog_name="aggpose")
def app() -> None:
    """Infant pose from clinical video: AggPose as a service."""


def main() -> None:
    """Run the command; every expected error is one line on stderr and exit status 1 or 2."""
    try:
        app(prog_name="aggpose")
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in EXTRA_OF_PACKAGE:
            raise
        missing = MissingPackageError(
            f"this needs {package}, which is not installed: "
            f"pip install 'aggpose-service[{EXTRA_OF_PACKAGE[package]}]'"
        )
        _fail(missing)
    except ModelError as error:
        _fail(error)


def _fail(error: ModelError) -> None:
    click.echo(f"aggpose: {error} [{error.code}]", err=True)
    sys.exit(1)
