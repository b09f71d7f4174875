"""What handoff reads from its environment, besides what every service does."""

from functools import lru_cache

from pydantic import Field

from relevo.service import Settings as Common


class Settings(Common):
    public_url: str | None = Field(
        default=None, description="Where reps and their tools reach this API: the base of the answer URLs in webhooks."
    )
    webhook_connect_seconds: float = Field(default=5, gt=0, le=25, description="Of one try: until connected.")
    webhook_total_seconds: float = Field(default=15, gt=0, le=25, description="Of one try: until the whole answer.")


@lru_cache(maxsize=1)
def answers_at() -> str:
    """Base URL of the answers, without a slash at its end; read once, since a handler sees no settings."""
    settings = Settings()
    return (settings.public_url or f"http://{settings.http_host}:{settings.http_port or 8003}").rstrip("/")
