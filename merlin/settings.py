"""What an operator may set, read once by the entry point and passed on.

Each field is an environment variable with the prefix ``MERLIN_`` (``MERLIN_DATABASE_URL``, …). Every limit has a
default. docs/settings.md describes each of them; a test keeps that page and this class the same.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from merlin.errors import Misconfigured


class Settings(BaseSettings):
    """All settings of Merlin's processes; immutable."""

    model_config = SettingsConfigDict(env_prefix="MERLIN_", frozen=True, extra="ignore")

    database_url: str = Field(description="PostgreSQL: postgres://user:password@host:port/name (or ?host=/socket).")
    database_direct_url: str | None = Field(
        default=None,
        description="A way to PostgreSQL that passes no transaction pooler: LISTEN and session locks need one.",
    )
    database_pool_size: int = Field(default=8, ge=2, le=200, description="Connections each process may open.")
    redis_url: str = Field(description="Redis or Valkey for the job queue: redis://… or unix:///path?db=0.")

    mlflow_url: str = Field(description="MLflow tracking server, as the server and the workers reach it.")
    mlflow_public_url: str | None = Field(default=None, description="MLflow as notebooks reach it, where that differs.")
    mlflow_artifact_map: dict[str, str] = Field(
        default_factory=dict,
        description='Where MLflow\'s proxied artifacts really lie, as JSON: {"mlflow-artifacts:/": "s3://bucket/"}.',
    )
    mlflow_timeout_seconds: float = Field(default=10.0, gt=0, description="Deadline of one call to MLflow.")

    environments_file: Path = Field(description="YAML list of the environments to deploy to.")
    secret_key_file: Path = Field(description="Key that secrets are encrypted with (a Fernet key, mode 0600).")
    admin_token_file: Path | None = Field(default=None, description="File with the local administrator's token.")

    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port the API listens on; 0 takes any free one.")
    public_url: str | None = Field(default=None, description="The API's address as users see it; made up if absent.")
    allowed_hosts: list[str] = Field(
        default_factory=lambda: ["127.0.0.1", "localhost", "[::1]"],
        description="Host headers that are answered, as JSON; any port.",
    )
    allowed_origins: list[str] = Field(
        default_factory=list, description="Origins, beside the API's own, that browsers may call from, as JSON."
    )

    max_body_bytes: int = Field(default=2_000_000, gt=0, description="Largest request body the API reads.")
    max_depth: int = Field(default=15, gt=0, description="Deepest nesting of an operation.")
    max_aliases: int = Field(default=30, gt=0, description="Most aliases in an operation.")
    max_tokens: int = Field(default=4000, gt=0, description="Most tokens in a document.")
    max_directives: int = Field(default=50, gt=0, description="Most directives in a document.")
    max_cost: int = Field(default=20_000, gt=0, description="Highest cost of an operation (docs/graphql.md).")
    request_timeout_seconds: float = Field(default=30.0, gt=0, description="Deadline of a query or mutation.")
    max_subscriptions: int = Field(default=100, gt=0, description="Most subscriptions on one connection.")
    introspection: bool = Field(default=True, description="Whether the schema may be asked for.")
    graphiql: bool = Field(default=True, description="Whether /graphiql is served.")

    deploy_deadline_seconds: int = Field(default=600, gt=0, description="How long a deploy may take by default.")
    drain_seconds: int = Field(default=30, ge=0, description="How long an old revision lives on after a switch.")
    keep_warm_seconds: int = Field(default=0, ge=0, description="How long it lives on at least, for quick rollbacks.")
    resync_seconds: float = Field(default=5.0, gt=0, description="How often what is not settled is looked at again.")
    poll_delay_seconds: float = Field(
        default=0.1, gt=0, description="How often an idle worker asks the queue for what it did not enqueue itself."
    )
    max_jobs: int = Field(default=20, gt=0, description="Jobs a worker runs at once.")
    job_timeout_seconds: float = Field(default=20.0, gt=0, description="Deadline of one job.")
    event_retention_days: int = Field(default=30, gt=0, description="How long events are kept.")
    idempotency_hours: int = Field(default=24, gt=0, le=24, description="How long an idempotency key is kept at most.")
    prune_seconds: float = Field(default=60.0, gt=0, description="How often left-over cluster objects are looked for.")

    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")


def read_settings() -> Settings:
    """Settings from the process's environment variables.

    Raises Misconfigured that names every missing or bad variable, and where they are described.
    """
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        problems = "; ".join(f"MERLIN_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise Misconfigured(f"Settings are missing or wrong: {problems}.", hint="See docs/settings.md.") from error
