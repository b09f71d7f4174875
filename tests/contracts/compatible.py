"""Whether readers and writers of two versions of an event understand each other: a breaking change is a new type."""

from typing import Any

Schema = dict[str, Any]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What in `new` breaks a reader or a writer of `old`, each in one line; an empty list where nothing does.

    Both directions run side by side in a rolling deploy: an old reader gets new data, a new reader old data.
    """
    return list(_compare(old, new, old, new, "value"))


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> Any:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    if "anyOf" in old or "anyOf" in new:
        yield from _compare_any(old, new, old_root, new_root, at)
        return
    if old.get("type") != new.get("type"):
        yield f"{at}: was {old.get('type')}, is {new.get('type')}"
        return
    for word in ("enum", "const", "pattern", "format"):
        if word == "enum" and old.get(word) and new.get(word):
            if missing := set(old[word]) - set(new[word]):
                yield f"{at}: no longer allows {sorted(missing)}, which may still be in the topic"
        elif word != "enum" and old.get(word) != new.get(word):
            yield f"{at}: {word} changed"
    for word, worse in (("maxLength", min), ("maximum", min), ("maxItems", min), ("minimum", max), ("minItems", max)):
        if word in new and (word not in old or worse(old[word], new[word]) != old[word]):
            yield f"{at}: {word} is narrower"
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{at}.{name}: is gone"
        else:
            yield from _compare(before[name], after[name], old_root, new_root, f"{at}.{name}")
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{at}.{name}: is required now, old records do not carry it"
    for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        yield f"{at}.{name}: may be missing now, old readers require it"
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict) and isinstance(new.get(word), dict):
            yield from _compare(old[word], new[word], old_root, new_root, f"{at}[]")


def _compare_any(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> Any:
    """Every alternative that was allowed must still be: matched by type, or by the name of what it refers to."""
    after = {_name(option): option for option in new.get("anyOf", [new])}
    for option in old.get("anyOf", [old]):
        if _name(option) not in after:
            yield f"{at}: no longer allows {_name(option)}"
        else:
            yield from _compare(option, after[_name(option)], old_root, new_root, at)


def _name(option: Schema) -> str:
    return str(option.get("$ref") or option.get("type") or option.get("const") or sorted(option))


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema
