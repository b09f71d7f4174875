"""Ingest's own environment, beside what every service reads (relevo.service.settings)."""

from pathlib import Path

from pydantic import Field

from relevo.service import Settings as Common


class Settings(Common):
    sources: Path = Field(default=Path("sources.yaml"), description="Who may send: names, kinds, hashed keys.")
    spool: Path = Field(
        default=Path("spool"), description="A folder of this replica's own, on a disk that survives it."
    )
    spool_limit: int = Field(default=2 * 1024**3, ge=1024**2, description="Bytes; then 503 with Retry-After.")
    public_url: str | None = Field(
        default=None, description="Where the world reaches this service, as in https://ingest.example.com."
    )
