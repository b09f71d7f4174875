"""A form's body as flat text fields: urlencoded, multipart, JSON. PURE; bounded in fields before it is in memory."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ingest.draft import Request, Unusable
from ingest.json_body import flaw, parse
from ingest.normalise import MOST_FIELDS
from ingest.sources.flatten import flatten

# Old sites still post in the encodings of their pages.
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252",
             "iso-8859-15": "iso-8859-15"}  # fmt: skip


def fields(request: Request) -> dict[str, str]:
    """Name → value, in the form's order; several values of one name joined by a comma, empty ones left out.

    Raises Unusable where the body is not what its type says, 415-like where the type is none that forms have.
    """
    kind, _ = parse_options_header(request.header(b"content-type") or "")
    if kind != b"multipart/form-data" and (_is_json(kind) or request.body[:1] == b"{"):
        return _json(request.body)
    return _joined(pairs(request))


def pairs(request: Request) -> list[tuple[str, str]]:
    """Names and values of a urlencoded or multipart form as they came. Raises Unusable as `fields` does."""
    kind, options = parse_options_header(request.header(b"content-type") or "")
    charset = _CHARSETS.get(options.get(b"charset", b"utf-8").decode("latin-1").strip().lower())
    if charset is None:
        raise Unusable("Send the form in UTF-8.", "charset", status=415, title="Charset unknown")
    if kind == b"multipart/form-data":
        return _multipart(request.body, options.get(b"boundary", b""), charset)
    if kind in (b"application/x-www-form-urlencoded", b"text/plain", b""):
        return _urlencoded(request.body, charset)
    raise Unusable(
        "Send application/x-www-form-urlencoded, multipart/form-data or application/json.",
        status=415,
        title="Content type unknown",
    )


def _is_json(kind: bytes) -> bool:
    return kind == b"application/json" or kind.endswith(b"+json")


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        name, value = name.strip(), value.strip()
        if name and value:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _json(body: bytes) -> dict[str, str]:
    value, suspicious = parse(body)
    if suspicious and (found := flaw(value)) is not None:
        raise found
    if not isinstance(value, dict):
        raise Unusable("Send the form's fields as one JSON object.", title="Not a form")
    return flatten(value)


def _urlencoded(body: bytes, charset: str) -> list[tuple[str, str]]:
    if body.count(b"&") >= 2 * MOST_FIELDS:
        raise Unusable(f"More than {MOST_FIELDS} fields.", "fields")
    try:
        text = body.decode("ascii" if charset == "utf-8" else charset)
    except UnicodeDecodeError:
        text = _text(body, charset)
    try:
        return parse_qsl(text, encoding=charset, errors="strict", max_num_fields=2 * MOST_FIELDS)
    except UnicodeDecodeError:
        raise Unusable("The form is not in the character set it names.", status=400, title="Not readable") from None


def _text(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeDecodeError:
        raise Unusable("The form is not in the character set it names.", status=400, title="Not readable") from None


def _multipart(body: bytes, boundary: bytes, charset: str) -> list[tuple[str, str]]:
    """Fields of a multipart body; of a file only its name is kept."""
    found: list[tuple[str, str]] = []
    name, value, ended = bytearray(), bytearray(), False
    header: dict[str, bytearray] = {}
    disposition: dict[bytes, bytes] = {}

    def part_begins() -> None:
        if len(found) >= 2 * MOST_FIELDS:
            raise Unusable(f"More than {MOST_FIELDS} fields.", "fields")
        value.clear()
        header.clear()
        disposition.clear()

    def header_begins() -> None:
        name.clear()
        header["value"] = bytearray()

    def header_ends() -> None:
        if name.lower() == b"content-disposition":
            disposition.update(parse_options_header(header["value"].decode("latin-1"))[1])

    def part_ends() -> None:
        told = disposition.get(b"filename", bytes(value)) if b"filename" in disposition else bytes(value)
        found.append((_text(disposition.get(b"name", b""), charset), _text(told, charset)))

    def all_ends() -> None:
        nonlocal ended
        ended = True

    parser = None
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": part_begins,
                "on_header_begin": header_begins,
                "on_header_field": lambda data, start, end: name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: header["value"].extend(data[start:end]),
                "on_header_end": header_ends,
                "on_part_data": lambda data, start, end: value.extend(data[start:end]),
                "on_part_end": part_ends,
                "on_end": all_ends,
            },
            max_header_count=8,
            max_header_size=4096,
        )
        parser.write(body)
    except FormParserError:
        ended = False
    if not boundary or not ended:
        raise Unusable("The multipart body does not hold what its boundary promises.", status=400, title="Not readable")
    return found
