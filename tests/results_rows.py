"""Jobs with frames and files, for tests of what the API gives of them."""

import json
from collections.abc import Sequence
from uuid import UUID

from model.spec.sequence import Rows, SequenceHeader
from model.spec.sequence_csv import CsvWriter
from model.spec.sequence_header import header_json
from model.spec.sequence_json import JsonWriter
from service.database.frames import store_window
from service.database.leases import Lease, complete, describe, finish_extraction
from service.database.results import store_artifact, store_previews
from service.database.tables import Artifact
from service.results import Form
from tests.sequences import header_of, number_of
from tests.service_api import Api
from tests.service_rows import NOW, TERMS, claimed, window

HEADER = header_of(keypoints=number_of(3))
MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "mp4": "video/mp4",
    "png": "image/png",
}


def written(form: Form, blocks: Sequence[Rows], header: SequenceHeader = HEADER) -> bytes:
    """A whole file."""
    writer = CsvWriter(header) if form == "csv" else JsonWriter(header)
    rows = b"".join(piece for block in blocks for piece in writer.rows(block))
    return writer.header() + rows + writer.end()


def running_job(
    api: Api, windows: int = 3, job_id: UUID | None = None
) -> tuple[UUID, Lease, list[Rows]]:
    """A job, this one or a new one, of which some windows are stored."""
    job_id = job_id or api.job()
    lease = claimed(api.service.database, job_id).lease
    blocks = []
    with api.service.database.write() as session:
        header = json.loads("{" + ",".join(header_json(HEADER)) + "}")
        describe(session, lease, header=header, frames_total=None)
        for number in range(windows):
            content = window(8 * number)
            store_window(session, lease, content, now=NOW, terms=TERMS)
            blocks.append(content.rows)
    return job_id, lease, blocks


def finished_job(api: Api, job_id: UUID | None = None) -> tuple[UUID, dict[str, bytes]]:
    """A job, this one or a new one, with all files, and their content."""
    job_id, lease, blocks = running_job(api, job_id=job_id)
    files = {
        "keypoints.csv": written("csv", blocks), "keypoints.json": written("json", blocks),
        "keypoints-filtered.csv": written("csv", blocks), "quality.json": b'{"frames": 24}\n',
        "quality.png": b"\x89PNG" + bytes(100), "preview.mp4": bytes(range(256)) * 40,
        "preview.masks.csv": b"frame_index,reasons,covered,cell_px\n0,head,0.1,9\n",
    }  # fmt: skip
    with api.service.database.write() as session:
        finish_extraction(session, lease, timings={"decode": 2.0}, now=NOW)
    lease = claimed(api.service.database, job_id, stage="preview").lease
    for kind, content in files.items():
        blob = api.service.store.put(f"jobs/{job_id}/{kind}", [content], max_bytes=1 << 20)
        artifact = Artifact(
            job_id=job_id, kind=kind, blob_key=blob.key, sha256=blob.sha256,
            size_bytes=blob.size_bytes, media_type=MEDIA_TYPES[kind.rpartition(".")[2]],
            created_at=NOW,
        )  # fmt: skip
        with api.service.database.write() as session:
            store_artifact(session, lease, artifact, now=NOW)
    with api.service.database.write() as session:
        store_previews(session, lease, {0: b"\xff\xd8one", 16: b"\xff\xd8two"}, now=NOW)
        complete(session, lease, timings={"decode": 2.0}, quality={"frames": 24}, now=NOW)
    return job_id, files
