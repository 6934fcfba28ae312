"""`aggpose up`, `serve`, `keys` and `db`."""

import json
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

import migrations
from service import keys
from service.audit import note_key
from service.blobs import open_store
from service.database import tenants
from service.database.engine import Database, current_time
from service.log_lines import configure_logging
from service.orphans import find_orphans
from service.running import System
from service.serving import address_of, listen, serve_by_many
from service.serving import serve as serve_here
from service.settings import Settings


@click.command()
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds everything.  [default: aggpose-data]",
)  # fmt: skip
@click.option("--host", help="0.0.0.0: all of this machine's addresses.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0: a free one.  [default: 8000]")
@click.option("--device", help="cpu, or cuda:0 and the like.  [default: cpu]")
@click.option("--engine", help="As of `aggpose worker`.  [default: openvino, where installed]")
@click.option("--threads", type=click.IntRange(0, 256), help="CPU threads of each model.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def up(
    data: Path | None, host: str | None, port: int | None, device: str | None, engine: str | None,
    threads: int | None, command: tuple[str, ...],
) -> None:  # fmt: skip
    """Run the whole system on this machine: API, workers, sweeper, database, files.

    The first start prints an API key. Ctrl-C stops everything; what was being worked on goes on at
    the next start. With a COMMAND, the system runs for as long as the command does, which finds it
    by AGGPOSE_SERVER_URL and AGGPOSE_API_KEY; its exit status is the command's.
    """
    if command and shutil.which(command[0]) is None:
        raise click.UsageError(f"expected a command that can be run, got {command[0]}")
    given = {"data_dir": data, "host": host, "port": port}
    settings = Settings.read(**_said(given))
    options = {"--device": device, "--engine": engine, "--threads": threads}
    words = [word for name, value in _said(options).items() for word in (name, str(value))]
    tell = partial(_tell, err=bool(command))  # what is printed then is the command's
    system = System(settings=settings, worker_options=words, tell=tell)
    sys.exit(system.run(command))


def _tell(line: str, *, err: bool = False) -> None:
    click.echo(f"aggpose: {line}", err=err)


@click.command()
@click.option("--host", help="The address to listen on.  [default: AGGPOSE_HOST, or 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="0: a free one.  [default: AGGPOSE_PORT, or 8000]"
)
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--fd", type=click.IntRange(0), hidden=True, help="A socket that listens already.")
def serve(host: str | None, port: int | None, processes: int, fd: int | None) -> None:
    """Answer the REST API's requests. SIGTERM and Ctrl-C stop it."""
    settings = Settings.read(**_said({"host": host, "port": port}))
    migrations.require_head(settings.database_url.get_secret_value())
    configure_logging(settings.log_level)
    listening = listen(settings.host, settings.port) if fd is None else socket.socket(fileno=fd)
    if fd is None:
        _tell(f"the API listens at {address_of(listening)}")
    if processes > 1:
        serve_by_many(listening, processes, _tell)
    else:
        serve_here(settings, listening)


@click.command("create")
@click.option("--tenant", required=True, help="Whose it is; made when it is not there.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(keys.SCOPES), default=("read", "write"),
    show_default=True, help="What it may do.",
)  # fmt: skip
@click.option("--name", default="", help="What it is for, in your words.")
def create_key(tenant: str, scopes: tuple[keys.Scope, ...], name: str) -> None:
    """Make an API key, and print it: it is never shown again."""
    with _database() as database, database.write() as session:
        now = current_time(session)
        key = keys.create_key(session, tenant=tenant, name=name, scopes=scopes, now=now)
        note_key(session, key.row, "key.create", now=now)
    click.echo(key.text)


@click.command("list")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_keys(tenant: str | None, *, as_json: bool) -> None:
    """List the API keys by their prefixes, without their secrets."""
    with _database() as database, database.read() as session:
        names = {one.id: one.name for one in tenants.list_tenants(session)}
        rows = [
            {
                "prefix": key.prefix, "tenant": names[key.tenant_id], "name": key.name,
                "scopes": key.scopes, "created_at": key.created_at.isoformat(),
                "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
                "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
            }
            for key in tenants.list_keys(session)
            if tenant in (None, names[key.tenant_id])
        ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'prefix':14}{'tenant':16}{'scopes':18}{'last used':14}{'':10}name")
    for row in rows:
        used, ended = str(row["last_used_at"] or "never")[:10], "revoked" * bool(row["revoked_at"])
        scopes = ",".join(row["scopes"] or [])
        click.echo(
            f"{row['prefix']:14}{row['tenant']:16}{scopes:18}{used:14}{ended:10}{row['name']}"
        )


@click.command("revoke")
@click.argument("prefix")
def revoke_key(prefix: str) -> None:
    """End the API key that begins with aggpose_PREFIX_, at once."""
    with _database() as database, database.write() as session:
        now = current_time(session)
        note_key(session, keys.revoke_key(session, prefix=prefix, now=now), "key.revoke", now=now)


@click.command("upgrade")
def upgrade_database() -> None:
    """Make the database's tables those of this program; safe to run twice, and at once."""
    settings = Settings.read()
    url = settings.database_url.get_secret_value()
    if url.startswith("sqlite:"):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrations.upgrade(url)
    click.echo(f"the tables are of version {migrations.head()}")


@click.command("downgrade")
@click.argument("revision")
def downgrade_database(revision: str) -> None:
    """Go back to REVISION; what only newer tables hold is lost, and everything at `base`."""
    migrations.downgrade(Settings.read().database_url.get_secret_value(), revision)
    click.echo(f"the tables are of version {revision}")


@click.command("current")
def show_database() -> None:
    """Say of which version the tables are, and which one this program needs."""
    found = migrations.current(Settings.read().database_url.get_secret_value())
    click.echo(f"tables: {found or 'none'}; this program: {migrations.head()}")


@click.command("orphans")
@click.option("--remove", is_flag=True, help="Remove them, for good.")
def orphans(*, remove: bool) -> None:
    """List blobs that no row names: what a machine left that died in the middle of an upload.

    To a database that came back from a backup, all that was uploaded since looks like that, and so
    it does to the copy of a database: look before you use --remove.
    """
    settings = Settings.read()
    store = open_store(settings.blob_url, s3=settings.s3_access())
    count = 0
    try:
        with _database() as database:
            for place in find_orphans(database, store):
                if remove:
                    store.delete_prefix(place)
                click.echo(f"{place}: {'removed' if remove else 'in no row'}")
                count += 1
    finally:
        store.close()
    click.echo(f"{count} {'removed' if remove else 'found'}")


@contextmanager
def _database() -> Iterator[Database]:
    """The database of the environment's settings.

    Raises:
        DatabaseError: It is not there, or its tables are not those of this program.
    """
    url = Settings.read().database_url.get_secret_value()
    migrations.require_head(url)
    database = Database(url, pool_size=1)
    try:
        yield database
    finally:
        database.close()


def _said(options: Mapping[str, object]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
