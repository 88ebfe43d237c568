"""What no code may change any more, held by the database itself: moves, decisions, and hand-offs of converted cycles.

Only the columns that say what happened are guarded. Erasure, merging and correction of personal data go on.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event

from nurture.store.tables.columns import core
from nurture.store.tables.facts import TransitionRow
from nurture.store.tables.sales import HandoffRow, SalesDecisionRow

_GUARDED: Final = {
    "handoff": ("state, owner, reason, cycle, opened_at, decided_at, closed_at", "OLD.state = 'converted'"),
    "transition": ("rule, from_stage, to_stage, cycle, occurred_at", ""),
    "sales_decision": ("decision, reason, handoff_id, at", ""),
}


def statements(table: str, dialect: str) -> list[str]:
    """The triggers of one table; on PostgreSQL after the function they call."""
    columns, when = _GUARDED[table]
    said = f"{table}: what happened is not changed any more"
    head = f"CREATE TRIGGER frozen_{table} BEFORE UPDATE OF {columns} ON {table}"
    if dialect == "sqlite":
        condition = f" WHEN {when}" if when else ""
        return [f"{head} FOR EACH ROW{condition} BEGIN SELECT RAISE(ABORT, '{said}'); END"]
    condition = f" WHEN ({when})" if when else ""
    return [
        "CREATE OR REPLACE FUNCTION nurture_frozen() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END'",
        f"{head} FOR EACH ROW{condition} EXECUTE FUNCTION nurture_frozen('{said}')",
    ]


def _guard(table: Any, connection: Any, **_: Any) -> None:
    for statement in statements(table.name, connection.dialect.name):
        connection.exec_driver_sql(statement)


for _row in (HandoffRow, TransitionRow, SalesDecisionRow):
    event.listen(core(_row), "after_create", _guard)
