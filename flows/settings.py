"""Settings of the live job: one frozen object, read once, from the environment and `sojourn.toml`.

`SOJOURN_JOURNEYS=journeys` is `journeys = "journeys"` in the file; `SOJOURN_KAFKA__SECURITY_PROTOCOL=SASL_SSL` is
`security.protocol` below `[kafka]`, and so on for every option of librdkafka. The environment wins over the file, the
command line over both. A secret is never printed: `Settings.kafka_shown` is what messages may use.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from state.errors import UsageError

FILE = "sojourn.toml"
_SECRETS = ("password", "secret", "jaas", "key", "token", "pem", "oauthbearer.config")


def is_secret(option: str) -> bool:
    """Whether the value of an option of librdkafka must not be shown."""
    return any(part in option for part in _SECRETS)


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix="SOJOURN_",
        env_nested_delimiter="__",
        toml_file=FILE,
        frozen=True,
        extra="forbid",
        env_nested_max_split=1,
    )

    journeys: Path = Field(Path("journeys"), description="Directory of orchestration.yaml and the journeys")
    data: Path = Field(Path("data"), description="Directory of the state, for this job alone")
    kafka: dict[str, str] = Field(
        {"bootstrap.servers": "localhost:9092"}, repr=False, description="Options of librdkafka, for all clients"
    )
    job: str = Field(
        "sojourn", pattern=r"^[A-Za-z0-9._-]+$", description="Name of the job: its client and group ids begin with it"
    )
    events_topic: str = Field("events", description="The customer log")
    ingest_topics: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="What `sojourn ingest` reads, separated by commas: topics of any key"
    )
    ingest_patience_s: float = Field(
        60,
        ge=0,
        description="How long ingest holds its inputs back for one from which nothing comes (seconds); the time waits for it anyway",
    )
    ingest_commit_ms: int = Field(
        100, ge=10, le=10_000, description="How often ingest commits what it has written to the customer log"
    )
    topics_prefix: str = Field("", description="Before the names of all topics that are written")
    partitions: int = Field(
        64, ge=1, le=4096, description="Of the customer log, when it is created; fixed from then on"
    )
    output_partitions: int = Field(8, ge=1, le=4096, description="Of every other topic, when it is created")
    replication: int = Field(-1, ge=-1, description="Of created topics; -1 is the broker's default")
    epoch_ms: int = Field(500, ge=10, le=60_000, description="How often state and output are committed")
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="exactly_once: output becomes visible with its epoch's transaction, once; at_least_once: it leaves at once, and "
        "the same action_id may come twice after a crash",
    )
    sinks: int = Field(
        4,
        ge=1,
        le=64,
        description="Producers that share the output, at most one for each partition; fixed at the first start",
    )
    cache_mb: int = Field(256, ge=1, description="Memory of each worker for the records of hot customers")
    workers: int = Field(1, ge=1, le=64, description="Worker processes on this machine; may change from start to start")
    recovery_partitions: int = Field(
        4,
        ge=1,
        le=64,
        description="Files of the recovery store, when it is created: so many workers write it side by side",
    )
    checkpoint_every_s: float = Field(
        600.0, ge=0, description="How often each key group makes a checkpoint; 0 is never"
    )
    checkpoints_kept: int = Field(2, ge=1, le=100, description="Checkpoints of each key group, here and in the copies")
    checkpoint_copies: str = Field(
        "",
        description="Where checkpoints are copied to: a directory, s3://BUCKET/PREFIX, gs://..., az://...; empty is nowhere",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_000,
        description="Where Prometheus asks the first worker, the next ones at the next ports; 0 is nowhere",
    )
    metrics_address: str = Field("127.0.0.1", description="On which of the machine's addresses; 0.0.0.0 is all of them")
    restarts_max: int = Field(8, ge=0, description="How often in a row workers that died are started again")
    restart_wait_s: float = Field(1.0, ge=0, description="The rest before the first such start; doubled each time")
    restart_wait_s_max: float = Field(60.0, ge=0, description="The longest rest")
    restart_healthy_s: float = Field(300.0, ge=0, description="Workers that lived so long begin the count anew")
    allow_create_time: bool = Field(
        False, description="Take a log whose records carry their producers' time (CreateTime): the clock is then theirs"
    )

    @field_validator("ingest_topics", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        """`clicks,orders` of the environment; each topic once."""
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        return tuple(dict.fromkeys(value)) if isinstance(value, (list, tuple)) else value

    @field_validator("kafka", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        """`security_protocol` of the environment is `security.protocol`; numbers and booleans of TOML become text."""
        if not isinstance(value, dict):
            return value
        flat = _flattened(value, "")
        flat.setdefault("bootstrap.servers", "localhost:9092")
        return flat

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def brokers(self) -> str:
        """Where Kafka is."""
        return self.kafka["bootstrap.servers"]

    def kafka_shown(self) -> dict[str, str]:
        """The options of librdkafka as they may be printed."""
        return {name: "***" if is_secret(name) else value for name, value in self.kafka.items()}


class _AsGiven(Settings):
    """Settings that were read already, in another process: neither environment nor file has a say any more."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, alone."""
        return (init_settings,)


def settings_of(dumped: dict[str, Any]) -> Settings:
    """The settings that `Settings.model_dump(mode="json")` gave to another process."""
    return _AsGiven(**dumped)


def _flattened(value: dict[Any, Any], before: str) -> dict[str, str]:
    """Options by their full names: an unquoted `security.protocol` in TOML is a table in a table."""
    flat: dict[str, str] = {}
    for name, option in value.items():
        full = before + str(name).lower().replace("_", ".")
        if isinstance(option, dict):
            flat |= _flattened(option, f"{full}.")
        else:
            flat[full] = str(option).lower() if isinstance(option, bool) else str(option)
    return flat


def read_settings(**given: object) -> Settings:
    """The settings, with what the command line gives in their place; None is not given.

    Raises:
        UsageError: A setting is wrong; the message names each, without its value where that may be a secret.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for mistake in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in mistake["loc"])
            if mistake["type"] == "extra_forbidden":
                lines.append(f"there is no setting {name!r}; there are: {', '.join(sorted(Settings.model_fields))}")
            else:
                lines.append(f"the setting {name} (SOJOURN_{name.upper().replace('.', '__')}): {mistake['msg']}")
        raise UsageError("; ".join(lines)) from error
    except ValueError as error:  # a TOML file that is none, JSON in a variable that is none
        raise UsageError(f"{FILE} or a SOJOURN_ variable cannot be read: {error}") from error
