"""What a statement that goes straight to the driver answers: rows, by the names that SQLAlchemy's results have."""

from typing import Any

import asyncpg
from sqlalchemy.exc import NoResultFound


class Row(asyncpg.Record):  # type: ignore[misc]  # untyped
    """A row: its values by name, as items or attributes, and by place."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def _asdict(self) -> dict[str, Any]:
        return dict(self)


class Rows(list[Row]):
    def one(self) -> Row:
        if len(self) != 1:
            raise NoResultFound(f"{len(self)} rows, where one is")
        return self[0]

    def one_or_none(self) -> Row | None:
        return self.one() if self else None

    def first(self) -> Row | None:
        return self[0] if self else None

    def all(self) -> "Rows":
        return self

    def mappings(self) -> "Rows":
        return self

    def scalars(self) -> list[Any]:
        return [row[0] for row in self]

    def scalar(self) -> Any:
        """None where there is no row."""
        return self[0][0] if self else None

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        return self.one()[0] if self else None
