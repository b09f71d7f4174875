"""CEL's complaints in the words of who writes a playbook: what is wrong, and what to write instead."""

import re
from collections.abc import Iterator, Mapping

from relevo.playbook.problems import did_you_mean
from relevo.playbook.variables import Context, Variable

FUNCTIONS = (
    "mentions", "contains", "startsWith", "endsWith", "matches", "size", "exists", "all", "exists_one", "filter",
    "map", "has", "int", "double", "string",
)  # fmt: skip

_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(\d+):\d+: (.*)$", re.MULTILINE)
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_OPERATOR = re.compile(r"^_?([^_\w]+|\?_:)_?$")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_MISTAKEN = (
    (re.compile(r"(?<![=!<>])=(?!=)"), "two things are compared with =="),
    (re.compile(r"\band\b", re.IGNORECASE), "'and' is written &&"),
    (re.compile(r"\bor\b", re.IGNORECASE), "'or' is written ||"),
    (re.compile(r"\bnot\b", re.IGNORECASE), "'not' is written !"),
    (re.compile(r"<>"), "'different' is written !="),
    (re.compile(r"[“”‘’«»]"), "quotes are straight: ' or \""),
)
_ABOUT: dict[Context, str] = {"lead": "the lead", "touch": "one touchpoint", "mql": "a qualified lead"}


def explain_compile_errors(
    said: str, source: str, context: Context, variables: Mapping[Context, tuple[Variable, ...]]
) -> Iterator[tuple[int, str, str]]:
    """Each mistake as (line within the source, message, hint); at least one."""
    found = list(_ERROR.finditer(said))
    if not found:
        deep = "recursion" in said
        yield 1, "the condition cannot be read", "it is nested too deeply" if deep else "look for odd characters"
        return
    for error in found:
        row, text = int(error[1]), error[2]
        if unknown := _UNDECLARED.search(text):
            yield row, *_unknown(unknown[1], source, context, variables)
        elif mismatch := _OVERLOAD.search(text):
            yield row, *_mismatch(mismatch[1], mismatch[2])
        elif "cannot be the operand of a select" in text:
            yield row, "there is a dot after something that has no parts", "check the variable before the dot"
        else:
            plain = _QUOTED.sub("", source)
            hint = next((hint for mark, hint in _MISTAKEN if mark.search(plain)), "")
            yield row, "this is no CEL expression", hint or "check quotes and brackets; example: lead.country == 'ES'"
            return  # what follows a syntax error is an echo of it


def _unknown(
    name: str, source: str, context: Context, variables: Mapping[Context, tuple[Variable, ...]]
) -> tuple[str, str]:
    if re.search(rf"\b{re.escape(name)}\s*\(", source):
        if "lower" in name.lower() or "upper" in name.lower():
            return f"unknown function {name!r}", "mentions('…') ignores case and accents by itself"
        return f"unknown function {name!r}", did_you_mean(name, FUNCTIONS)
    known = {variable.name for variable in variables[context]}
    for other, theirs in variables.items():
        if name not in known and name in {variable.name for variable in theirs}:
            return f"{name!r} cannot be used here", f"this is about {_ABOUT[context]}, not about {_ABOUT[other]}"
    if name.lower() in ("true", "false"):
        return f"unknown word {name!r}", f"write {name.lower()}"
    if "." not in name:
        parts = sorted(variable for variable in known if variable.startswith(f"{name}."))
        if parts:
            return f"{name!r} is no variable by itself", f"one of: {', '.join(parts)}"
        near = did_you_mean(name, known) if not name.isupper() else ""
        return f"unknown word {name!r}", near if "mean" in near else f"a text is written in quotes: '{name}'"
    return f"unknown variable {name!r}", did_you_mean(name, known) or "company.yaml can declare own fields"


def _mismatch(function: str, operands: str) -> tuple[str, str]:
    types = [part.strip() for part in operands.split(", ")]
    operator = match[1] if (match := _OPERATOR.match(function)) else function.lstrip("@")
    message = f"{operator!r} does not work between {' and '.join(types)}"
    if "null_type" in types:
        return message, "nothing is ever null: an unknown text is '', an unknown number 0"
    if {"int", "double"} == set(types):
        return message, "write the number like the variable: 3 beside an int, 3.0 beside a double"
    if {"int", "string"} == set(types) or {"double", "string"} == set(types):
        return message, "a number is written without quotes, a text with them"
    if {"bool", "string"} == set(types):
        return message, "a bool is used as it is: lead.free_mail, !lead.free_mail"
    if operator == "in":
        return message, "'in' asks a list: lead.country in ['ES', 'PT']; for a part of a text: .contains('…')"
    return message, "check the types of both sides"


def explain_run_time_error(said: str, source: str) -> str:
    """The library's message without its status, and without anything quoted that the playbook itself does not say."""

    def only_ours(quoted: re.Match[str]) -> str:
        return quoted[0] if (quoted[1] or quoted[2] or "") in source else "…"

    message = _STATUS.sub("", said.splitlines()[0] if said else "unknown error")
    if message.startswith("invalid regular expression"):
        return "invalid regular expression"
    if message.startswith("Key not found in map"):
        message = message.replace("Key not found in map :", "there is no field")
    return _QUOTED.sub(only_ours, message)[:200]
