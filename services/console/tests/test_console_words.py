"""Shows that both languages say everything, that every event has words, and how times and numbers are written."""

import json
import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import console
from console import english, spanish
from console.drawing import silhouette
from console.speech import Speech, choose
from console.telling import tell
from relevo.events import EVENTS
from relevo.events.vocabulary import REJECT_REASONS, STAGES, TOUCHPOINT_TYPES

SOURCE = Path(console.__file__).parent
NOW = datetime(2026, 7, 26, 12, 0, tzinfo=UTC)
EN, ES = (Speech(language, ZoneInfo("Europe/Madrid"), NOW) for language in ("en", "es"))


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def test_both_languages_say_the_same_things():
    assert english.WORDS.keys() == spanish.WORDS.keys()
    for key, words in english.WORDS.items():
        assert placeholders(words) == placeholders(spanish.WORDS[key]), key


# Groups whose keys are put together from an event's own words.
GROUPS = (
    "because by channel clock trigger consequence day do fact failed kind measure period reason side stage stages touch"
)


def test_every_word_asked_for_is_there_and_none_is_idle():
    files = [path for path in SOURCE.glob("*.py") if path.stem not in ("english", "spanish")]
    files += [*SOURCE.glob("templates/*.html"), SOURCE / "static" / "console.js"]
    text = "".join(path.read_text() for path in files)
    said = set(re.findall(r"""\b(?:t|say|self)\(\s*['"]([a-z_]+(?:\.[a-z_]+)*)['"]""", text))
    assert said <= english.WORDS.keys()
    quoted = set(re.findall(r"""['"]([a-z_.]+)['"]""", text))
    assert [key for key in english.WORDS if key not in quoted and key.partition(".")[0] not in GROUPS.split()] == []


def test_the_fields_words_are_there():
    keys = english.WORDS.keys()
    assert {f"touch.{touch}" for touch in TOUCHPOINT_TYPES} <= keys
    assert {f"reason.{reason}" for reason in REJECT_REASONS} <= keys
    assert {f"stage.{stage}" for stage in STAGES} | {f"stages.{stage}" for stage in STAGES} <= keys


SAMPLES = Path(__file__).parents[3] / "contracts" / "events"


@pytest.mark.parametrize("say", [EN, ES], ids=["en", "es"])
def test_every_event_of_a_lead_has_words(say, story):
    one = story()
    told = [*one.to_rep(), one.waiting(), one.accepted(), one.rejected(), one.contacted(), one.recycled(), one.opened()]
    breach = one.sla_breached()
    told += [one.won(), one.delivered(), breach, one.sla_met(), one.sla_corrected(breach), one.erased()]
    told += [one.merged(one, one.lead_id)]
    for event in told:
        words = tell(event, say, {})
        assert words.title
        assert words.title != event.type
        assert "{" not in words.title + "".join(words.lines)
    assert len({event.type for event in told}) == 19


def test_the_golden_samples_have_words():
    for kind, event in EVENTS.items():
        sample = json.loads((SAMPLES / f"{kind}.sample.json").read_text())["value"]
        if "lead_id" in sample or kind == "touchpoint.recorded.v1":
            for say in (EN, ES):
                words = tell(event.model_validate(sample), say, {})
                assert words.title != kind
                assert "{" not in words.title + "".join(words.lines)


@pytest.mark.parametrize(
    ("seconds", "english_words"),
    [
        (0, "0 s"),
        (2.34, "2.3 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3700, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_400, "1 d"),
    ],
)
def test_spans_show_their_two_largest_units(seconds, english_words):
    assert EN.span(seconds) == EN.span(timedelta(seconds=seconds)) == english_words


def test_times_and_numbers_are_written_as_the_reader_does():
    assert [EN.when(NOW - timedelta(days=days)) for days in (0, 1, 300)] == ["14:00", "25 Jul 14:00", "29 Sep 2025"]
    assert ES.when(NOW - timedelta(days=90)) == "27 abr 14:00"
    assert (EN.number(12345.6, 1), ES.number(12345.6, 1)) == ("12,345.6", "12.345,6")
    assert (EN.points(-7.5), ES.points(40)) == ("−7.5", "+40")
    assert (EN.share(1, 3), ES.share(1, 30), EN.share(1, 0)) == ("33%", "3,3 %", "–")
    assert (EN.ago(NOW), EN.ago(NOW - timedelta(hours=3, minutes=9)), ES.ago(NOW)) == (
        "just now",
        "3 h ago",
        "ahora mismo",
    )


def test_the_switch_goes_before_the_browsers_wish():
    assert choose("en", "es") == "en"
    assert choose("xx", "es") == "es"
    assert choose(None, None) == "en"


def test_the_funnels_shape_is_closed_and_stays_in_its_frame():
    for counts in ([0] * 6, [321, 40, 38, 20, 5, 1], [5] * 6):
        path = silhouette(counts)
        assert path.startswith("M0 100V")
        assert path.endswith("H600V100Z")
        heights = [float(number) for number in re.findall(r"-?\d+\.\d\d", path)]
        assert all(0 <= height <= 100 for height in heights)
