"""A database in a file, as one machine has it, and a queue that remembers."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from service.database.engine import Database, open_engine
from service.database.tables import Base, JobStage
from service.errors import QueueUnavailableError
from service.queue import JobQueue
from service.settings import Settings


class RememberingQueue(JobQueue):
    """Sends nothing.

    Attributes:
        sent: What should have been sent.
        away: Whether it refuses.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: list[tuple[UUID, JobStage]] = []
        self.away = False

    def send(self, job_id: UUID, stage: JobStage) -> None:
        """Remember."""
        if self.away:
            raise QueueUnavailableError("away")
        self.sent.append((job_id, stage))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of one machine."""
    return Settings.read(data_dir=tmp_path, lease_s=10, heartbeat_s=1, visibility_s=15)


@pytest.fixture
def queue(settings: Settings) -> Iterator[RememberingQueue]:
    """A queue that only remembers."""
    queue = RememberingQueue(settings)
    yield queue
    queue.close()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The database of these settings."""
    url = settings.database_url.get_secret_value()
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    database = Database(url)
    yield database
    database.close()
