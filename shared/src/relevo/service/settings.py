"""What every service reads from its environment. All names begin with RELEVO_."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from relevo.stream.kafka.brokers import Brokers


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RELEVO_", extra="ignore", frozen=True, hide_input_in_errors=True)

    database: str | None = Field(default=None, description="postgresql://user:password@host:port/name")
    kafka: str = Field(
        default="localhost:9092",
        description="host:port[,host:port…], or with TLS and a login: SASL_SSL://user:password@host:port?mechanism=…",
    )
    http_host: str = "127.0.0.1"
    http_port: int | None = Field(default=None, description="The service's usual port where not set.")
    tokens: Path | None = Field(default=None, description="tokens.yaml; without it every protected route answers 401.")
    topics: Literal["local", "production"] = Field(
        default="production", description="Partitions and Kafka time-outs: of one machine, or of a real cluster."
    )
    time_travel: bool = Field(default=False, description="The clock can be moved; local mode and tests only.")
    clock_file: Path | None = Field(default=None, description="Where a service without a database reads the shift.")
    local: bool = Field(default=False, description="Local mode: webhooks to loopback, pages without a login.")
    secret: SecretStr | None = Field(default=None, description="The installation secret (subject ids).")
    pool: int = Field(default=10, ge=3, description="PostgreSQL connections of this process.")
    log_level: str = "INFO"
    shutdown_seconds: float = Field(default=45, description="The whole budget of a graceful shutdown.")

    @classmethod
    def read(cls) -> Self:
        """From the environment. Raises SystemExit: a line for each mistake, by its variable, none with its value."""
        try:
            return cls()
        except ValidationError as error:
            lines = []
            for mistake in error.errors():
                name = "".join(f"RELEVO_{part}: ".upper() for part in mistake["loc"])
                lines.append(name + mistake["msg"].removeprefix("Value error, "))
            raise SystemExit("\n".join(lines)) from None

    @field_validator("kafka")
    @classmethod
    def _brokers(cls, kafka: str) -> str:
        Brokers.of(kafka).tls()
        return kafka

    @model_validator(mode="after")
    def _time_stands_in_production(self) -> "Settings":
        if self.time_travel and self.topics == "production" and not self.local:
            raise ValueError("RELEVO_TIME_TRAVEL is for local mode and tests: unset it, or set RELEVO_LOCAL=1")
        return self
