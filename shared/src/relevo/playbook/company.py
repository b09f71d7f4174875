"""company.yaml: who we are, and which facts about a lead the agreement may speak of."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from relevo.playbook.values import Currency, Name, Part

FieldType = Literal["string", "int", "double", "bool", "list"]
FieldName = Annotated[str, StringConstraints(pattern=r"^(lead|company)\.[a-z][a-z0-9_]{0,62}$")]
Scalar = bool | int | float | str


class OwnField(Part):
    """A fact about a lead or its company: a built-in one (then only `from` and `values`), or one of our own.

    `sources` (written `from`) are form field names, tried in this order, without regard to case, accents, spaces
    and dashes. `values` turns spellings into the one we use (`España: ES`).
    """

    type: FieldType | None = Field(default=None, description="Required for own fields, known for built-in ones.")
    default: Scalar | tuple[str, ...] | None = Field(
        default=None, description='When nothing is known; by type "", 0, 0.0, false, [] if left out.'
    )
    sources: tuple[Name, ...] = Field(default=(), alias="from")
    values: Mapping[str, Scalar] = Field(default_factory=dict)


class Company(Part):
    name: Name
    zone: str = Field(description="IANA time zone, such as Europe/Madrid.")
    currency: Currency = Field(description="ISO 4217; amounts of goals are in it.")
    domains: tuple[str, ...] = Field(default=(), description="Our own e-mail domains: such leads are us.")
    aliases: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Companies of several domains: the one we go by → the others."
    )
    fields: Mapping[FieldName, OwnField] = Field(default_factory=dict)

    @cached_property
    def _main(self) -> Mapping[str, str]:
        return {other: main for main, others in self.aliases.items() for other in others}

    @property
    def aliased(self) -> frozenset[str]:
        """Every domain that `aliases` names."""
        return frozenset((*self.aliases, *self._main))

    def main_domain(self, domain: str) -> str:
        """The domain by which we go for the company of this one (both registrable)."""
        return self._main.get(domain, domain)

    def domains_of(self, domain: str) -> tuple[str, ...]:
        """All domains of the company of this one; what was kept under another agreement is found by them."""
        main = self.main_domain(domain)
        return (main, *self.aliases.get(main, ()))
