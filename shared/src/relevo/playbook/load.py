"""Six YAML texts in, one compiled agreement out; or every mistake in them at once."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import ValidationError

from relevo.playbook import checks
from relevo.playbook.company import Company, OwnField
from relevo.playbook.errors import mended, problems_of
from relevo.playbook.expressions import Activation, Language, Reading, language
from relevo.playbook.goals import Goal, Goals
from relevo.playbook.personas import Persona, Personas
from relevo.playbook.problems import PlaybookError, Problem, did_you_mean
from relevo.playbook.routing import Routing
from relevo.playbook.scoring import Scoring
from relevo.playbook.sla import Sla
from relevo.playbook.text import Document, read
from relevo.playbook.values import Part
from relevo.playbook.variables import Context, Variable

FILES = ("company.yaml", "personas.yaml", "scoring.yaml", "routing.yaml", "sla.yaml", "goals.yaml")
P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Playbook:
    """The agreement, ready to decide with. `warnings` are no mistakes, but probably not meant."""

    version: str
    company: Company
    personas: tuple[Persona, ...]
    scoring: Scoring
    routing: Routing
    sla: Sla
    goals: tuple[Goal, ...]
    language: Language = field(repr=False, compare=False)
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    @cached_property
    def asked_by_policies(self) -> frozenset[str]:
        """The variables that the policies of `sla.yaml` ask about."""
        return self.language.asked(policy.when for policy in self.sla.policies)

    @cached_property
    def asked_by_rules(self) -> frozenset[str]:
        """The variables that the rules of `routing.yaml` ask about."""
        return self.language.asked(rule.when for rule in self.routing.rules)

    def activation(
        self, context: Context, values: Mapping[str, object], only: Collection[str] | None = None
    ) -> Activation:
        """The values of one lead, touchpoint or MQL by variable name (`{"lead.country": "ES"}`), for many conditions.

        Missing, None or of the wrong type: the variable's default. Unknown names are ignored. `only`: the variables
        that the conditions ask about, where they are known; it is quicker.
        """
        return self.language.activation(context, values, only)

    def persona(self, persona_id: str) -> Persona | None:
        return next((persona for persona in self.personas if persona.id == persona_id), None)


def load(documents: Mapping[str, str]) -> Playbook:
    """`documents`: file name (`scoring.yaml`) → YAML text, all six. Raises PlaybookError with all problems at once."""
    problems = list(_names(documents))
    texts: dict[str, Document] = {}
    for file in FILES:
        if file in documents:
            try:
                texts[file] = read(file, documents[file])
            except PlaybookError as error:
                problems.extend(error.problems)

    reading = Reading("", language(_own_variables(texts.get("company.yaml"))), problems)
    company = _validated(Company, texts.get("company.yaml"), reading)
    personas = _validated(Personas, texts.get("personas.yaml"), reading)
    scoring = _validated(Scoring, texts.get("scoring.yaml"), reading)
    routing = _validated(Routing, texts.get("routing.yaml"), reading)
    sla = _validated(Sla, texts.get("sla.yaml"), reading)
    goals = _validated(Goals, texts.get("goals.yaml"), reading)

    parts = checks.Parts(company, personas, scoring, routing, sla, goals, texts, reading.language)
    found, doubts = checks.check(parts)
    problems += found
    if problems or not (company and personas and scoring and routing and sla and goals):
        raise PlaybookError(problems)
    return Playbook(
        version=version_of(texts),
        company=company,
        personas=personas.personas,
        scoring=scoring,
        routing=routing,
        sla=sla,
        goals=goals.goals,
        language=reading.language,
        warnings=tuple(sorted({*reading.warnings, *doubts})),
    )


def version_of(texts: Mapping[str, Document]) -> str:
    """First 16 hex digits of SHA-256 over the parsed content. Comments, white space, quotes and the order of keys do
    not change it; the order of lists does, since it decides."""
    content = {file: document.data for file, document in texts.items()}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _names(documents: Mapping[str, str]) -> list[Problem]:
    unknown = [file for file in documents if file not in FILES]
    missing = [file for file in FILES if file not in documents]
    return [
        *(Problem(file, 0, "this file is no part of a playbook", did_you_mean(file, FILES)) for file in unknown),
        *(Problem(file, 0, "this file is missing", "start from the one in deploy/playbook") for file in missing),
    ]


def _validated(model: type[P], document: Document | None, reading: Reading) -> P | None:
    if document is None:
        return None
    if not isinstance(document.data, dict):
        said = "the file is empty" if document.data is None else "the file must begin with its keys, not with a list"
        hint = f"it has the keys {', '.join(field.alias or name for name, field in model.model_fields.items())}"
        reading.problems.append(Problem(document.file, document.line(()), said, hint))
        return None
    reading.file = document.file
    try:
        return model.model_validate(document.data, context=reading)
    except ValidationError as error:
        reading.problems.extend(problems_of(error, model, document))
        again = mended(error, document.data)
    try:
        return model.model_validate(again, context=reading)
    except ValidationError:  # all of it was told the first time
        return None


def _own_variables(document: Document | None) -> tuple[Variable, ...]:
    """The own fields that can be understood, so that a slip elsewhere in company.yaml does not make each condition
    that uses one wrong as well."""
    data: Any = document.data if document else None
    fields = data.get("fields") if isinstance(data, dict) else None
    found: list[Variable] = []
    for name, written in fields.items() if isinstance(fields, dict) else ():
        try:
            own = OwnField.model_validate(written)
        except ValidationError:
            kind = written.get("type") if isinstance(written, dict) else None
            own = OwnField.model_construct(type=kind)
        if (variable := checks.own_variable(name, own)) is not None:
            found.append(variable)
    return tuple(found)
