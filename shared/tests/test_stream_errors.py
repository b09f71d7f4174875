"""What the database says decides whether a batch is tried again for ever or its poison is buried."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relevo.stream.transaction import is_infrastructure, is_unkeepable
from relevo.testing.ledger import Ledger

STATEMENTS = {
    "the driver cannot send it": ("select cast({} as int)", 2**40, False, True),
    "no number so large": ("select cast({} as bigint) * 1000000000", 2**60, False, True),
    "NUL in a text": ("select cast({} as text)", "a\0b", False, True),
    "no such table": ("select cast({} as int) from no_such_table", 1, True, False),
}


@pytest.mark.parametrize("why", STATEMENTS)
@pytest.mark.parametrize("straight", [True, False])
async def test_a_value_none_can_keep_is_no_trouble_of_the_database(ledger: Ledger, why: str, straight: bool) -> None:
    """However the statement goes: by SQLAlchemy, or straight to the driver."""
    statement, value, infrastructure, unkeepable = STATEMENTS[why]

    async def ask() -> None:
        async with ledger.database.transaction() as tx:
            if straight:
                await tx.driver_sql(statement.format("$1"), value)
            else:
                await tx.execute(text(statement.format(":value")), {"value": value})

    with pytest.raises(DBAPIError) as error:
        await ask()
    assert is_infrastructure(error.value) is infrastructure
    assert is_unkeepable(error.value) is unkeepable
