"""The playbook as scoring asks it, made quick: a condition remembers its verdicts. Pure.

A verdict depends on nothing but the values of the variables that the condition names, and most of them come again and
again: the same pages, the same job titles. So CEL is asked once per combination of values.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from relevo.events.vocabulary import Grade
from relevo.playbook import Activation, Condition, Criterion, Exclusion, Persona, Playbook, RuleFailed, Signal, Verdict
from scoring.touches import VARIABLES

REMEMBERED: Final = 20_000  # verdicts per condition; when there are more, it begins anew
_PLAYBOOKS: Final = 8  # the active one, the one before, and those of simulations
_VARIABLE: Final = re.compile(r"\b(?:lead|company|touch)\.[a-z0-9_]+")
_MICROSECONDS: Final = 1_000_000

Values = Mapping[str, Any]


@dataclass(slots=True)
class About:
    """Whom or what many conditions are asked about; CEL's own form of it is made once, and only if CEL is asked."""

    playbook: Playbook
    context: Literal["lead", "touch"]
    values: Values
    _activation: Activation | None = None

    def activation(self) -> Activation:
        if self._activation is None:
            self._activation = self.playbook.activation(self.context, self.values)
        return self._activation


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition with the names of its variables and the verdicts it has given. Without one it always holds."""

    condition: Condition | None
    names: tuple[str, ...]
    verdicts: dict[tuple[Any, ...], Verdict] = field(default_factory=dict, repr=False)  # values of people: not in logs

    def holds(self, about: "About", failed: list[RuleFailed]) -> bool:
        """Whether it holds. Where it cannot be answered it does not, and is appended to `failed`."""
        if self.condition is None:
            return True
        key = tuple([about.values.get(name) for name in self.names])
        try:
            verdict = self.verdicts.get(key)
        except TypeError:  # a map: `touch.fields` is hardly ever the same again
            verdict = self.condition.holds(about.activation())
        else:
            if verdict is None:
                if len(self.verdicts) >= REMEMBERED:
                    self.verdicts.clear()
                verdict = self.verdicts[key] = self.condition.holds(about.activation())
        if isinstance(verdict, RuleFailed):
            failed.append(verdict)
        return bool(verdict)


def rule(condition: Condition | None) -> Rule:
    names = set(_VARIABLE.findall(condition.source)) if condition is not None else set()
    return Rule(condition, tuple(sorted(names)))


class Fit(NamedTuple):
    """How well the lead matches its best persona, by which criteria; and which exclusions hold for it."""

    persona: str | None
    grade: Grade
    points: float
    held: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalRule:
    """`half_life` in microseconds."""

    signal: Signal
    id: str
    points: float
    half_life: float
    cap: float
    rule: Rule


class Fed(NamedTuple):
    """What a touchpoint feeds, and by which hand-raises it asks for sales."""

    signals: tuple[SignalRule, ...]
    hand_raises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about touchpoints of one type: `names` are all variables that its conditions name, and `fed` what
    came of their values, where no rule failed."""

    signals: tuple[SignalRule, ...]
    hand_raises: tuple[tuple[str, Rule], ...]
    names: tuple[str, ...]
    fed: dict[tuple[Any, ...], Fed] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """One playbook's rules; those about touchpoints by their type."""

    playbook: Playbook
    personas: tuple[tuple[Persona, tuple[tuple[Criterion, Rule], ...]], ...]
    exclusions: tuple[tuple[Exclusion, Rule], ...]
    signals: tuple[SignalRule, ...]
    about_touches: Mapping[str, Asked]
    about_leads: tuple[str, ...]
    fits: dict[tuple[Any, ...], Fit] = field(repr=False)
    """By the values of `about_leads`, all variables that a lead's conditions name: fits that no failed rule spoils."""


_known: dict[int, Rules] = {}


def rules_of(playbook: Playbook) -> Rules:
    """Made once per playbook object, and kept with what its conditions remember. Playbooks that ask the same about
    leads, as a candidate and the active one mostly do, remember it together."""
    found = _known.get(id(playbook))
    if found is None:
        while len(_known) >= _PLAYBOOKS:
            del _known[next(iter(_known))]
        asks = _of_leads(playbook)
        fits = next((each.fits for each in _known.values() if _of_leads(each.playbook) == asks), {})
        found = _known[id(playbook)] = _rules(playbook, fits)
    return found


def _of_leads(playbook: Playbook) -> tuple[object, ...]:
    """All that a fit depends on, but for the lead."""
    return playbook.language, playbook.personas, playbook.scoring.exclusions


def _rules(playbook: Playbook, fits: dict[tuple[Any, ...], Fit]) -> Rules:
    scoring = playbook.scoring
    signals = tuple(
        SignalRule(
            each, each.id, each.points, each.half_life.total_seconds() * _MICROSECONDS, each.cap, rule(each.when)
        )
        for each in scoring.signals
    )
    raised = [(each.on, each.id, rule(each.when)) for each in scoring.qualification.hand_raises]
    personas = tuple(
        (persona, tuple((criterion, rule(criterion.when)) for criterion in persona.criteria))
        for persona in playbook.personas
    )
    exclusions = tuple((each, rule(each.when)) for each in scoring.exclusions)
    asked = [each for _, criteria in personas for _, each in criteria] + [each for _, each in exclusions]
    return Rules(
        playbook=playbook,
        personas=personas,
        exclusions=exclusions,
        signals=signals,
        about_touches={
            on: _asked([each for each in signals if each.signal.on == on], [(i, r) for o, i, r in raised if o == on])
            for on in {each.signal.on for each in signals} | {on for on, _, _ in raised}
        },
        about_leads=tuple(sorted({name for each in asked for name in each.names})),
        fits=fits,
    )


def _asked(signals: Sequence[SignalRule], hand_raises: Sequence[tuple[str, Rule]]) -> Asked:
    rules = [each.rule for each in signals] + [rule for _, rule in hand_raises]
    names = {name for each in rules for name in each.names if name in VARIABLES}
    return Asked(tuple(signals), tuple(hand_raises), tuple(sorted(names)))
