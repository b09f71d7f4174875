"""Structured logs: one JSON object a line on standard error; control characters can't leave their string."""

import logging
import re
import sys
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter


class _Formatter(JsonFormatter):
    def formatException(self, ei: Any) -> str:
        """A traceback without PostgreSQL's DETAIL lines: they quote the row, and a row may be a person."""
        return re.sub(r"\nDETAIL:.*", "", logging.Formatter.formatException(self, ei))


def configure(service: str, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            "{levelname}{name}{message}",
            style="{",
            timestamp="at",
            rename_fields={"levelname": "level", "name": "logger"},
            static_fields={"service": service},
            json_ensure_ascii=True,
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # it would log paths; our own metrics count requests
