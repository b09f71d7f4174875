"""What handoff reads from its environment, besides what every service does."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr

from relevo.service import Settings as Common


class Settings(Common):
    public_url: str | None = Field(
        default=None, description="Where reps and their tools reach this API: the base of the answer URLs in webhooks."
    )
    keys: Path | None = Field(
        default=None,
        description="Fernet keys, newest first, one a line: secrets of endpoints are encrypted with the first. Without"
        " this file, with a key derived from the installation secret.",
    )
    webhook_connect_seconds: float = Field(default=5, gt=0, le=25, description="Of one try: until connected.")
    webhook_total_seconds: float = Field(default=15, gt=0, le=25, description="Of one try: until the whole answer.")
    deliveries_kept_days: int = Field(default=30, ge=1, description="Deliveries that are over, and the log of tries.")
    smtp: SecretStr | None = Field(
        default=None, description="smtp://user:password@host:587 (STARTTLS), smtps:// (TLS at once)."
    )
    mail_from: str | None = Field(default=None, description="Who e-mails come from.")
    slack_signing_secret: SecretStr | None = Field(default=None, description="Of the Slack app whose buttons we show.")
    slack_url: str = "https://slack.com/api"
    hubspot_client_secret: SecretStr | None = Field(default=None, description="Of the HubSpot app that calls us.")
    hubspot_url: str = "https://api.hubapi.com"

    @property
    def answers_at(self) -> str:
        """Base URL of the answers, without a slash at its end."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port or 8003}").rstrip("/")


@lru_cache(maxsize=1)
def answers_at() -> str:
    """The same, read once, for handlers, which see no settings."""
    return Settings.read().answers_at
