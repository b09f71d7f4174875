"""Conditions in CEL over flat typed variables. The only file that imports the CEL library, whose 0.1.x still moves.

Three things about this library are designed around here: a variable is declared flat and dotted (`lead.country`), so
that a misspelt one is refused when the playbook is read; run-time errors come back as truthy values, so only the very
objects `True` and `False` count; and some errors are raised after all (RuntimeError), so those are caught.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal

from cel_expr_python import cel
from pydantic import PlainSerializer, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from relevo.playbook.explain import explain_compile_errors, explain_run_time_error
from relevo.playbook.problems import PlaybookError, Problem
from relevo.playbook.text import Written
from relevo.playbook.variables import CONTEXTS, Context, Value, Variable, default_of, fit
from relevo.playbook.words import mentions, mentions_any

MAX_SOURCE = 4_000  # characters of one condition
_REGEX_LITERAL = re.compile(r"""\.\s*matches\s*\(\s*(r?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))\s*\)""")
_TYPES: dict[str, Any] = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "list": cel.Type.List(cel.Type.STRING),
    "map": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
}


@dataclass(frozen=True)
class RuleFailed:
    """A condition that could not be answered. Falsy: it never counts as holding. `message` names no personal value."""

    file: str
    line: int
    message: str

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: rule failed: {self.message}"


Verdict = bool | RuleFailed


@dataclass(frozen=True, slots=True)
class Activation:
    """The values of one lead (touchpoint, MQL), prepared once and asked by many conditions of the same context."""

    context: Context
    native: Any = field(repr=False)  # values of a person: they stay out of logs


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled CEL expression that says where it is written."""

    context: Context
    source: str
    file: str = field(compare=False)
    line: int = field(compare=False)
    program: Any = field(compare=False, repr=False)

    def holds(self, activation: Activation) -> Verdict:
        """True, False, or a RuleFailed (falsy). Raises ValueError only for an activation of another context."""
        if activation.context != self.context:
            raise ValueError(f"a condition about {self.context} was asked with values of {activation.context}")
        try:
            result = self.program.eval(activation.native)
            value = result.value()
        except RuntimeError as error:
            return RuleFailed(self.file, self.line, explain_run_time_error(str(error), self.source))
        if value is True:
            return True
        if value is False:
            return False
        if result.type() == cel.Type.ERROR:
            return RuleFailed(self.file, self.line, explain_run_time_error(str(value), self.source))
        return RuleFailed(self.file, self.line, f"the result is {_type_name(result.type())}, not true or false")


def _native(value: Value) -> Any:
    """CEL takes lists, not tuples."""
    return list(value) if isinstance(value, tuple) else value


def _type_name(kind: Any) -> str:
    """CEL's type in a writer's words: BOOL → bool."""
    return str(kind.name()).lower()


def _environment(variables: tuple[Variable, ...]) -> Any:
    """CEL's own functions, and `TEXT.mentions('word')` or `TEXT.mentions(['one', 'other'])`: see `words.mentions`."""
    text, texts, bool_ = cel.Type.STRING, _TYPES["list"], cel.Type.BOOL
    overloads = [
        cel.Overload("mentions_one", return_type=bool_, parameters=[text, text], is_member=True, impl=mentions),
        cel.Overload("mentions_any", return_type=bool_, parameters=[text, texts], is_member=True, impl=mentions_any),
    ]
    return cel.NewEnv(
        variables={variable.name: _TYPES[variable.type] for variable in variables},
        functions=[cel.FunctionDecl("mentions", overloads)],
    )


class Language:
    """The variables of one playbook, in each of the three contexts: compiles conditions, prepares activations."""

    def __init__(self, own: Iterable[Variable] = ()) -> None:
        extra = tuple(own)
        self.variables: dict[Context, tuple[Variable, ...]] = {
            context: known if context == "touch" else (*known, *extra) for context, known in CONTEXTS.items()
        }
        self._envs = {context: _environment(known) for context, known in self.variables.items()}
        self._defaults = {
            context: {variable.name: _native(default_of(variable)) for variable in known}
            for context, known in self.variables.items()
        }
        self._types = {
            context: {variable.name: variable.type for variable in known} for context, known in self.variables.items()
        }
        self._nothing_known = {context: self.activation(context, {}) for context in self.variables}

    def asked(self, conditions: Iterable[Condition]) -> frozenset[str]:
        """The variables these conditions mention, as CEL resolved them, and perhaps some more: for `activation`."""
        asked: set[str] = set()
        for condition in conditions:
            resolved = condition.program.serialize()
            asked |= {name for name in self._types[condition.context] if name.encode() in resolved}
        return frozenset(asked)

    def activation(
        self, context: Context, values: Mapping[str, object], only: Collection[str] | None = None
    ) -> Activation:
        """Values by variable name. What is missing, None, or not of the variable's type is its default; a name that is
        no variable is ignored (it may be of another version of the playbook). `only`: what will be `asked`, and nothing
        else; each variable costs."""
        defaults, types = self._defaults[context], self._types[context]
        data: dict[str, Any] = dict(defaults) if only is None else {name: defaults[name] for name in only}
        for name, value in values.items():
            kind = types.get(name)
            if kind is None or value is None or name not in data:
                continue
            if kind == "string" and type(value) is str:  # most are
                data[name] = value
            elif (fitted := fit(kind, value)) is not None:
                data[name] = _native(fitted)
        return Activation(context, self._envs[context].Activation(data))

    def compile(self, context: Context, source: str, file: str = "", line: int = 0) -> Condition:
        """Raises PlaybookError with every mistake: unknown variable, wrong type, syntax, a result that is no bool.

        `source` may be `Written`, which knows its own line.
        """
        block = isinstance(source, Written) and source.block
        line = source.line if isinstance(source, Written) else line
        text = str(source).strip("\n")

        def refuse(message: str, hint: str) -> PlaybookError:
            return PlaybookError([Problem(file, line, message, hint)])

        if not text.strip():
            raise refuse("the condition is empty", "write true, if it is to hold always")
        if len(text) > MAX_SOURCE:
            raise refuse("the condition is too long", f"at most {MAX_SOURCE} characters; make two of it")
        try:
            program = self._envs[context].compile(text)
        except (RuntimeError, TypeError) as error:
            found = explain_compile_errors(str(error), text, context, self.variables)
            problems = [Problem(file, line + (row - 1 if block else 0), message, hint) for row, message, hint in found]
            raise PlaybookError(problems) from None
        returned = program.return_type()
        if returned not in (cel.Type.BOOL, cel.Type.DYN):
            raise refuse(
                f"the condition gives {_type_name(returned)}, not true or false", "compare it with something: … == …"
            )
        for literal in _REGEX_LITERAL.findall(text):
            if self._envs[context].compile(f"''.matches({literal})").eval().type() == cel.Type.ERROR:
                raise refuse("this is no regular expression", "check its brackets; the syntax is RE2's")
        return Condition(context, text.strip(), file, line, program)

    def fails_on_nothing(self, condition: Condition) -> RuleFailed | None:
        """Whether the condition fails for somebody of whom nothing is known: then it will fail often."""
        verdict = condition.holds(self._nothing_known[condition.context])
        return verdict if isinstance(verdict, RuleFailed) else None


@lru_cache(maxsize=64)
def language(own: tuple[Variable, ...] = ()) -> Language:
    """The language with these own variables; made once, since playbooks rarely change them."""
    return Language(own)


@dataclass
class Reading:
    """What validating a document knows besides its data, and where conditions put what they find."""

    file: str
    language: Language
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def _validator(context: Context) -> Callable[[Any, ValidationInfo], Condition]:
    def validate(value: Any, info: ValidationInfo) -> Condition:
        if isinstance(value, Condition) and value.context == context:
            return value
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str):
            raise PydanticCustomError("condition", "is no condition; write one in quotes: \"lead.country == 'ES'\"")
        reading = info.context if isinstance(info.context, Reading) else Reading("", language())
        try:
            condition = reading.language.compile(context, value, reading.file)
        except PlaybookError as error:
            reading.problems.extend(error.problems)
            raise PydanticCustomError("told", "{said}", {"said": str(error)}) from None
        failed = reading.language.fails_on_nothing(condition)
        if failed is not None:
            reading.warnings.append(
                Problem(
                    condition.file,
                    condition.line,
                    f"the condition fails where nothing is known: {failed.message}",
                    "a failed rule never holds; ask first, such as 'x' in touch.fields && touch.fields['x'] == …",
                )
            )
        return condition

    return validate


def _written(condition: Condition) -> str:
    return condition.source


LeadCondition = Annotated[Condition, PlainValidator(_validator("lead")), PlainSerializer(_written)]
TouchCondition = Annotated[Condition, PlainValidator(_validator("touch")), PlainSerializer(_written)]
MqlCondition = Annotated[Condition, PlainValidator(_validator("mql")), PlainSerializer(_written)]
