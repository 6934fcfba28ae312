"""The broker of files, with messages that are there whole or not at all.

Kombu opens a message's file under its final name and writes it then: a reader that comes in between
takes an empty message, and Celery's worker dies of it. Here it is written aside and renamed.
"""

import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Messages as files of a folder."""

    def _put(self, queue: str, payload: dict[str, Any], **_: object) -> None:  # type: ignore[override] # kombu's classes disagree
        """Put a message into the folder.

        Raises:
            ChannelError: There is no room, or no permission.
        """
        # As kombu names them: readers take them in the order of their names.
        name = f"{round(time.monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        path, aside = Path(self.data_folder_out, name), Path(self.data_folder_out, f"{name}.aside")
        try:
            content: str = dumps(payload)  # type: ignore[no-untyped-call] # kombu's
            aside.write_text(content, encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise ChannelError(f"cannot add a message: {os.strerror(error.errno or 0)}") from error


class Transport(filesystem.Transport):
    """Named in Celery's `broker_transport`."""

    Channel = Channel
