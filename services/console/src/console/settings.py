"""What the console reads from its environment, besides what every service does."""

from pydantic import Field, SecretStr

from relevo.service import Settings as Common


class Settings(Common):
    handoff_url: str | None = Field(default=None, description="Base URL of handoff: a decision's whole record.")
    act_for_token: SecretStr | None = Field(default=None, description="Our own token of scope `act-for`.")
    session_hours: float = Field(default=12, gt=0, le=24 * 30, description="How long a login lasts.")
