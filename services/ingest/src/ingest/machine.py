"""Who is no person: what one request's user agent alone proves. PURE. What needs history is scoring's to mark."""

import re

# Crawlers name themselves (bot, crawler, spider), as do previews, monitors and headless browsers.
_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|headlesschrome|phantomjs|puppeteer|playwright|lighthouse|pingdom|uptimerobot|"
    r"statuscake|facebookexternalhit|whatsapp/|slackbot|embedly|bingpreview|google-read-aloud|google-inspectiontool|"
    r"apis-google|mediapartners-google|feedfetcher|ahrefs|semrush|screaming frog|barracuda|mimecast|proofpoint|"
    r"safelinks|urldefense|trendmicro|symantec",
    re.IGNORECASE,
)
_APPLE_PRIVACY = "Mozilla/5.0"  # and nothing more, which no browser says
# Cubot is a maker of telephones, whose browsers name it.
_PERSON = re.compile(r"\bcubot\b", re.IGNORECASE)


def robot(agent: str) -> str | None:
    """Why this user agent is a machine's, for people to read; None where it may be a person's."""
    if agent.strip() == _APPLE_PRIVACY:
        return "its user agent is that of Apple's mail privacy proxy, which opens every message"
    if _ROBOT.search(agent) is None or _PERSON.search(agent) is not None:
        return None
    return "its user agent names a crawler, scanner or headless browser"
