"""The service's settings: environment variables that begin with AGGPOSE_, read once, at the edge.

Everything has a default that suits one machine; docs/settings.md lists all of them. An AGGPOSE_
variable that is not among them is an error: a misspelt setting would otherwise silently do nothing.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.blobs.access import S3Access
from service.errors import SettingsError

PREFIX = "AGGPOSE_"


def _folder(path: Path) -> Path:
    """A folder from the root on; `?` and `#` would end the address that is made of it."""
    if any(sign in str(path) for sign in "?#"):
        raise ValueError("expected a folder without ? and # in its name")
    return path.expanduser().absolute()


def _scheme(url: SecretStr | str, *allowed: str) -> None:
    """Check how an address begins; the address itself may hold a password, and is not repeated."""
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    found = urlsplit(text).scheme.partition("+")[0]
    if found not in allowed:
        raise ValueError(f"expected an address that begins with {', '.join(allowed)}:")


def _database(url: SecretStr) -> SecretStr:
    _scheme(url, "postgresql", "postgres", "sqlite")
    return url


def _broker(url: SecretStr) -> SecretStr:
    _scheme(url, "redis", "rediss", "amqp", "amqps", "filesystem")
    return url


def _blobs(url: str) -> str:
    _scheme(url, "file", "s3")
    return url


def _root_path(path: str) -> str:
    if path and (not path.startswith("/") or path.endswith("/")):
        raise ValueError("expected nothing, or a path such as /aggpose")
    return path


def _endpoint(url: str) -> str:
    _scheme(url, "http", "https")
    return url


Folder = Annotated[Path, AfterValidator(_folder)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


class _FromEnvironment(BaseSettings):
    """What both kinds of settings share."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @classmethod
    def read(cls, **given: Any) -> Self:  # noqa: ANN401 - any field's value
        """The environment's settings, and those given, which win.

        Raises:
            SettingsError: One is unknown, malformed, or does not fit another; all that are wrong
                are named, without their values.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from error


class ClientSettings(_FromEnvironment):
    """What the commands that speak to a running service read; the service knows these, too."""

    server_url: Endpoint = "http://127.0.0.1:8000"
    """Where `aggpose submit` finds the service."""

    api_key: SecretStr | None = None
    """The API key with which `aggpose submit` asks."""


class Settings(_FromEnvironment):
    """All settings of API, workers and sweeper. Secrets are not shown when it is printed."""

    data_dir: Folder = Path("aggpose-data")
    """The folder of what this machine keeps; by default the three addresses below lie in it."""

    database_url: Annotated[SecretStr, AfterValidator(_database)] = Field(
        default_factory=lambda data: SecretStr(f"sqlite:///{data['data_dir']}/aggpose.sqlite")
    )
    """The database: `postgresql://user:password@host/name`, or `sqlite:////folder/file`."""

    broker_url: Annotated[SecretStr, AfterValidator(_broker)] = Field(
        default_factory=lambda data: SecretStr(f"filesystem://{data['data_dir']}/broker")
    )
    """Celery's broker: `redis://host:6379/0`, `amqp://...`, or a folder that all workers share."""

    blob_url: Annotated[str, AfterValidator(_blobs)] = Field(
        default_factory=lambda data: (data["data_dir"] / "blobs").as_uri()
    )
    """Videos and results: `s3://bucket/prefix`, or `file:///folder`, the same for all machines."""

    models_dir: Folder | None = None
    """A folder of model files beside those that ship with the service."""

    host: str = "127.0.0.1"
    """The address that the API listens on: 127.0.0.1 is for this machine alone, 0.0.0.0 for all."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port that the API listens on; 0 takes a free one."""

    root_path: Annotated[str, AfterValidator(_root_path)] = ""
    """The path under which a reverse proxy shows the service, such as `/aggpose`."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important kind of line that is logged."""

    max_upload_bytes: PositiveInt = 4 << 30
    """The largest video that may be uploaded."""

    key_requests_per_minute: PositiveInt = 1200
    """How many requests one API key may make in a minute, in each API process."""

    key_uploads_per_hour: PositiveInt = 1000
    """How many videos one API key may upload in an hour, in each API process."""

    lease_s: PositiveFloat = 60.0
    """How long a job stays a worker's without a sign of life. The same on all machines."""

    heartbeat_s: PositiveFloat = 10.0
    """How often a worker gives its sign of life."""

    sweeper_s: PositiveFloat = 5.0
    """How often lost jobs are looked for."""

    visibility_s: PositiveFloat = 90.0
    """How long the broker waits for a worker's sign of life before it sends a message again."""

    max_attempts: PositiveInt = 3
    """How often a job is tried without progress before it has failed."""

    s3_endpoint_url: Endpoint | None = None
    """Where the S3 store is; nothing for Amazon's own."""

    s3_public_endpoint_url: Endpoint | None = None
    """Where clients reach the S3 store; without it, they download through the API."""

    s3_region: str = "us-east-1"
    """The bucket's region."""

    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Whether a bucket is named in the `path` or the host (`virtual`); `auto`: as is usual."""

    s3_access_key_id: str | None = None
    """Who asks S3; without it, boto3 looks where it always does: roles, profiles, its variables."""

    s3_secret_access_key: SecretStr | None = None
    """The secret that belongs to that."""

    @classmethod
    def embedded(cls, data_dir: Path, **given: Any) -> Self:  # noqa: ANN401 - any field's value
        """The whole system on one machine, in one folder: SQLite, files, a broker of files.

        What the environment says otherwise still holds.

        Raises:
            SettingsError: As in `read`.
        """
        return cls.read(data_dir=data_dir, **given)

    def s3_access(self) -> S3Access:
        """How S3 is reached, for `service.blobs.open_store`."""
        secret = self.s3_secret_access_key
        return S3Access(
            scratch_dir=self.data_dir / "scratch",
            endpoint_url=self.s3_endpoint_url,
            public_endpoint_url=self.s3_public_endpoint_url,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id,
            secret_access_key=secret.get_secret_value() if secret else None,
            addressing_style=self.s3_addressing_style,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment; nothing else."""
        return init_settings, _Environment(settings_cls)

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        if self.lease_s < 2 * self.heartbeat_s:
            raise ValueError(
                f"expected {PREFIX}LEASE_S of at least twice {PREFIX}HEARTBEAT_S, "
                f"got {self.lease_s:g} and {self.heartbeat_s:g}"
            )
        if self.visibility_s < self.lease_s:
            raise ValueError(
                f"expected {PREFIX}VISIBILITY_S of at least {PREFIX}LEASE_S, "
                f"got {self.visibility_s:g} and {self.lease_s:g}"
            )
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError(
                f"expected both {PREFIX}S3_ACCESS_KEY_ID and {PREFIX}S3_SECRET_ACCESS_KEY, got one"
            )
        return self


class _Environment(EnvSettingsSource):
    """The environment, with the AGGPOSE_ variables that are no settings: the model refuses them."""

    def __call__(self) -> dict[str, Any]:
        """The settings by name."""
        known = {*Settings.model_fields, *ClientSettings.model_fields}
        begin = PREFIX.lower()
        names = (name.removeprefix(begin) for name in self.env_vars if name.startswith(begin))
        return super().__call__() | {name: "" for name in names if name not in known}


def _explain(error: ValidationError) -> str:
    """What is wrong with which variable, without the values, which may be secret."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    found = [_explain_one(one) for one in details if one["type"] != "default_factory_not_called"]
    return "; ".join(found)


def _explain_one(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return message
    name = PREFIX + str(detail["loc"][0]).upper()
    if detail["type"] != "extra_forbidden":
        return f"{name}: {message}"
    every = [PREFIX + field.upper() for field in Settings.model_fields]
    near = difflib.get_close_matches(name, every, n=1)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
