"""What an API token may do, and whose part it plays: the words of tokens.yaml."""

from typing import Literal

Scope = Literal["read", "touchpoints", "answer", "manage", "playbook", "erase", "operate", "act-for"]
Role = Literal["rep", "manager", "marketing", "admin"]
