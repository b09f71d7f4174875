"""PURE: the registrable domain, by which a company is known."""

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> PublicSuffixList:
    """The list that comes with the package; read when it is first asked, as most commands never do."""
    return PublicSuffixList()


@lru_cache(maxsize=20_000)
def registrable(domain: str) -> str | None:
    """`www.shop.example.co.uk` → `example.co.uk`; None for what is no name under a public suffix. Canonical in, too.

    `company.example` counts as well: the list leaves out what RFC 6761 reserves for examples, in which playbooks,
    demos and tests name their companies.
    """
    found: str | None = _suffixes().privatesuffix(domain, accept_unknown=domain.endswith(".example"))
    return found
