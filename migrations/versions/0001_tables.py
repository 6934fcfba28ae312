"""All tables of the first version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables, each after those that it refers to."""
    _make_tenants()
    _make_videos()
    _make_jobs()
    _make_results()
    _make_workers()
    _make_audit()


def downgrade() -> None:
    """Drop all tables; their indexes go with them."""
    for table in (
        "audit_events", "workers", "artifacts", "previews", "windows", "frames", "jobs", "videos",
        "api_keys", "tenants",
    ):  # fmt: skip
        op.drop_table(table)


def _make_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        _moment("created_at"),
        _moment("last_used_at", nullable=True),
        _moment("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        _of_tenant("api_keys"),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    _index("api_keys", "tenant_id", "created_at", "id")


def _make_videos() -> None:
    op.create_table(
        "videos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("subject_reference", sa.Text(), nullable=True),
        sa.Column("user_metadata", sa.JSON(), nullable=False),
        sa.Column("probe", sa.JSON(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_videos")),
        _of_tenant("videos"),
        sa.UniqueConstraint("tenant_id", "sha256", name=op.f("uq_videos_tenant_id_sha256")),
        _check("videos", "sha256_is_hexadecimal", "length(sha256) = 64"),
        _check("videos", "has_bytes", "size_bytes > 0"),
    )
    _index("videos", "tenant_id", "created_at", "id")
    _index("videos", "tenant_id", "subject_reference", "created_at", "id")


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("frames_done", sa.BigInteger(), nullable=False),
        sa.Column("frames_total", sa.BigInteger(), nullable=True),
        sa.Column("frames_handled", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        _moment("lease_until", nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        _moment("heartbeat_at", nullable=True),
        _moment("progressed_at", nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("header", sa.JSON(), nullable=True),
        sa.Column("resume_state", sa.JSON(), nullable=True),
        sa.Column("timings", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("payload_sha256", sa.Text(), nullable=True),
        _moment("created_at"),
        _moment("queued_at"),
        _moment("sent_at", nullable=True),
        _moment("started_at", nullable=True),
        _moment("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        _of_tenant("jobs"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_jobs_video_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "tenant_id", "idempotency_key", name=op.f("uq_jobs_tenant_id_idempotency_key")
        ),
        *(_check("jobs", name, condition) for name, condition in JOB_CHECKS.items()),
    )
    _index("jobs", "tenant_id", "created_at", "id")
    _index("jobs", "tenant_id", "state", "created_at", "id")
    _index("jobs", "video_id", "created_at", "id")
    for name, column, state in (
        ("ix_jobs_waiting", "sent_at", "queued"),
        ("ix_jobs_leased", "lease_until", "running"),
    ):
        only = sa.text(f"state = '{state}'")
        op.create_index(name, "jobs", [column], sqlite_where=only, postgresql_where=only)


JOB_CHECKS = {
    "state": "state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')",
    "stage": "stage IN ('extract', 'preview', 'done')",
    "done_is_succeeded": "(state = 'succeeded') = (stage = 'done')",
    "leased_while_running": "(state = 'running') = (lease_token IS NOT NULL)",
    "lease_ends": "(lease_token IS NULL) = (lease_until IS NULL)",
    "finished_has_time":
        "(state IN ('succeeded', 'failed', 'canceled')) = (finished_at IS NOT NULL)",
    "failed_has_code": "(state = 'failed') = (error_code IS NOT NULL)",
    "counts": "frames_done >= 0 AND attempt >= 0",
    "idempotency_has_payload": "(idempotency_key IS NULL) = (payload_sha256 IS NULL)",
}  # fmt: skip


def _make_results() -> None:
    op.create_table(
        "frames",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("frame_index", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("pts", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("keypoints", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "frame_index", name=op.f("pk_frames")),
        _of_job("frames"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "windows",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("sightings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "first_frame", name=op.f("pk_windows")),
        _of_job("windows"),
    )
    op.create_table(
        "previews",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("frame_index", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "frame_index", name=op.f("pk_previews")),
        _of_job("previews"),
    )
    op.create_table(
        "artifacts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("job_id", "kind", name=op.f("pk_artifacts")),
        _of_job("artifacts"),
        _check("artifacts", "sha256_is_hexadecimal", "length(sha256) = 64"),
    )


def _make_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        _moment("started_at"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    _index("workers", "queue", "seen_at")


def _make_audit() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        _of_tenant("audit_events"),
    )
    _index("audit_events", "tenant_id", "created_at", "id")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id")
    )


def _of_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"], ["jobs.id"], name=op.f(f"fk_{table}_job_id"), ondelete="CASCADE"
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
