"""`aggpose sweeper`: apart from the worker, so that it loads nothing that works on videos."""

import signal
import threading

import click

import migrations
from service.log_lines import configure_logging
from service.settings import Settings
from workers.scratch import scratch_dir
from workers.sweeper import Sweeper


@click.command()
def sweeper() -> None:
    """Look for jobs whose worker or whose message was lost, until it is told to stop.

    One is enough for all machines; more do no harm. SIGTERM and Ctrl-C stop it.
    """
    settings = Settings.read()
    configure_logging(settings.log_level)
    migrations.require_head(settings.database_url.get_secret_value())
    stops = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stops.set())
    Sweeper(settings, scratch_dir(settings)).run(stops)
