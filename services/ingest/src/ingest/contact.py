"""What an address tells of a person and a company: registrable domains, free, disposable and role addresses. PURE."""

import re
from functools import lru_cache

from disposable_email_domains import blocklist as _DISPOSABLE

from relevo.domains import registrable
from relevo.events.identity import canonical_domain, is_role_address, is_tagged_address
from relevo.events.touchpoints import Mark

# Mailboxes for everybody, whose domain says nothing of an employer. Brands with a domain in many countries are known by
# their name before the public suffix (hotmail.es, yahoo.co.uk); an own list, because the published ones mix in
# throw-away domains and hosting companies, and lack the Spanish providers.
_FREE_BRANDS = frozenset(
    "aol gmail gmx googlemail hotmail live mail msn outlook windowslive yahoo yandex ymail".split()
)
_FREE_DOMAINS = frozenset(
    "126.com 163.com arnet.com.ar bluewin.ch btinternet.com comcast.net cox.net duck.com euskalnet.net "
    "fastmail.com fastmail.fm fibertel.com.ar free.fr freenet.de fullzero.com.ar hey.com hushmail.com icloud.com "
    "inbox.lv infomail.es jazzfree.com laposte.net latinmail.com libero.it list.ru mac.com mail.ru mailbox.org "
    "me.com mixmail.com movistar.es mundo-r.com navegalia.com naver.com o2.pl ono.com orange.es orange.fr pm.me "
    "posteo.de prodigy.net.mx proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com "
    "rocketmail.com sapo.pt sbcglobal.net seznam.cz sfr.fr sky.com t-online.de telecable.es telefonica.net "
    "telepolis.com terra.com terra.com.br terra.com.mx terra.es tiscali.it tuta.com tuta.io tutanota.com "
    "uol.com.br verizon.net virgilio.it vodafone.es wanadoo.es wanadoo.fr web.de wp.pl xtec.cat ya.com ya.ru "
    "zoho.com zohomail.com".split()
)
# A country's own suffix (es, co.uk, com.mx) or com: `mail.company` or `live.studio` may well be somebody's employer.
_BRAND_SUFFIX = re.compile(r"(?:com|(?:com?\.)?[a-z]{2})")


def company_domain(website: str | None, email: str | None) -> str | None:
    """The company's registrable domain: of the website it gives, else of a canonical e-mail that is no free one."""
    if website:
        host = website.strip().lower().partition("://")[2] or website.strip().lower()
        host = re.split(r"[/?#:]", host.rpartition("@")[2], maxsplit=1)[0]
        try:
            if (found := registrable(canonical_domain(host))) and not domain_marks(found):
                return found
        except ValueError:
            pass
    return mailboxes(email.rpartition("@")[2])[1] if email is not None else None


@lru_cache(maxsize=20_000)
def mailboxes(domain: str) -> tuple[tuple[Mark, ...], str | None]:
    """What the mailboxes of a canonical domain have in common: their marks, and the company they are of, if of one."""
    found = domain_marks(domain)
    return found, None if found else registrable(domain)


def domain_marks(domain: str) -> tuple[Mark, ...]:
    """Whether mailboxes there are free for everybody, or thrown away after use."""
    own = registrable(domain) or domain
    brand, _, suffix = own.partition(".")
    free = own in _FREE_DOMAINS or (brand in _FREE_BRANDS and _BRAND_SUFFIX.fullmatch(suffix) is not None)
    disposable = domain in _DISPOSABLE or own in _DISPOSABLE
    marks: list[Mark] = []
    if free and not disposable:
        marks.append("free_mail")
    if disposable:
        marks.append("disposable")
    return tuple(marks)


def marks(email: str) -> tuple[Mark, ...]:
    """What a canonical address tells of itself."""
    found = mailboxes(email.rpartition("@")[2])[0]
    if is_role_address(email):
        found = (*found, "role_address")
    if is_tagged_address(email):
        found = (*found, "tagged_address")
    return found
