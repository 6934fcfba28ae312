"""`aggpose worker`."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, get_args

import click

import migrations
from model.runtime.engines import PRECISIONS, EngineName, Precision
from model.spec.errors import EngineError
from service.log_lines import configure_logging
from service.queue import EXTRACT_QUEUE, PREVIEW_QUEUE
from service.settings import Settings
from workers.app import WorkerApp
from workers.models import Device, ModelOptions, Models
from workers.workplace import WorkerOptions

QUEUES: Final = (EXTRACT_QUEUE, PREVIEW_QUEUE)


@click.command()
@click.option(
    "--queue", "queues", multiple=True, type=click.Choice(QUEUES), default=QUEUES,
    show_default=True, help="Which work it takes: finding keypoints, or making previews and files.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda:0 and the like.")
@click.option(
    "--engine", type=click.Choice(list(PRECISIONS)),
    help="[default: cpu: openvino, where installed; cuda: cuda]",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(get_args(Precision)), default="float32", show_default=True,
    help="Of the pose model's arithmetic.",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--threads", type=click.IntRange(0, 256), default=0, help="0: the engine's choice.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
    help="How many jobs it does at a time; one for each GPU.",
)  # fmt: skip
def worker(
    queues: tuple[str, ...], device: str, engine: EngineName | None, precision: Precision,
    batch_size: int, threads: int, processes: int,
) -> None:  # fmt: skip
    """Work on jobs until it is told to stop; then the job at hand is given back at once.

    What it is told does not run on the device that it is told: it does not start. SIGTERM and
    Ctrl-C stop it.
    """
    settings = Settings.read()
    configure_logging(settings.log_level)
    models = ModelOptions(
        device=Device.of(device, engine), precision=precision, batch_size=batch_size,
        threads=threads, models_dir=settings.models_dir,
        cache_dir=settings.data_dir / "engines",
    )  # fmt: skip
    migrations.require_head(settings.database_url.get_secret_value())
    if EXTRACT_QUEUE in queues:
        _try_models(models)
    options = WorkerOptions(queues=tuple(dict.fromkeys(queues)), models=models)
    status = WorkerApp(settings, options, processes=processes).run()
    sys.exit(status)


def _try_models(options: ModelOptions) -> None:
    """Open models in a process that ends again: what has run them cannot be forked.

    Raises:
        ModelError: One does not run where it shall.
        WorkerError: There are none.
    """
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as apart:
        try:
            apart.submit(Models(options).try_usual).result()
        except BrokenProcessPool as error:
            raise EngineError("opening the models ended the process that tried it") from error
