"""A tick must cost by what is due: every hot question is answered from an index, on an empty and on a full table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, event, text

from nurture.store import Store, open_store
from nurture.store.audience import people
from nurture.store.facts import backlog, hits, wakeups
from nurture.store.mail import messages, outbox, outgoing
from nurture.store.programs import enrollments
from nurture.store.sales import timers

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

HOT: dict[str, Callable[[Connection], object]] = {
    "claim due enrollments": lambda conn: enrollments.claim_due(conn, now=NOW, limit=10),
    "claim due messages": lambda conn: outgoing.claim(conn, now=NOW, limit=10, owner="w"),
    "release expired claims": lambda conn: messages.release_expired(conn, now=NOW),
    "find lost messages": lambda conn: messages.lost(conn, now=NOW),
    "unknown messages without a sign": lambda conn: messages.resend_silent(conn, signs=("email_click",), now=NOW),
    "held hits": lambda conn: hits.due_messages(conn, now=NOW, limit=10),
    "claim wake-ups": lambda conn: wakeups.claim(conn, "score", now=NOW, limit=10, owner="w"),
    "claim deliveries": lambda conn: outbox.claim(conn, now=NOW, limit=10, owner="w"),
    "leads to look at again": lambda conn: people.wake_due(conn, now=NOW, limit=10),
    "due timers": lambda conn: timers.due(conn, now=NOW, limit=10),
    "everything that waits": lambda conn: backlog.due(conn, now=NOW),
    "when something is due next": lambda conn: backlog.next_due(conn),
}


@pytest.fixture
def sqlite(sqlite_url: str) -> Store:
    return open_store(sqlite_url)


@pytest.mark.parametrize("what", HOT)
def test_hot_questions_read_no_whole_table(sqlite: Store, what: str) -> None:
    asked: list[tuple[str, object]] = []

    @event.listens_for(sqlite.engine, "before_cursor_execute")
    def _keep(
        _conn: object, _cursor: object, statement: str, parameters: object, _context: object, _many: bool
    ) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    with sqlite.begin() as conn:
        HOT[what](conn)
        event.remove(sqlite.engine, "before_cursor_execute", _keep)
        for statement, parameters in asked:
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [
                row[3]
                for row in plan
                if row[3].startswith("SCAN") and "USING" not in row[3] and "CONSTANT ROW" not in row[3]
            ]
            big = [
                s
                for s in scans
                if s.split()[1] in {"lead", "message", "enrollment", "hit", "outbox", "wakeup", "sla_timer", "event"}
            ]
            assert not big, f"{what} reads a whole table: {big}\n{statement}"


def test_the_literals_are_words_only() -> None:
    from nurture.store.literal import word

    with pytest.raises(ValueError, match="not a status word"):
        word("planned' OR 1=1 --")
    assert str(word("planned")) == str(text("'planned'"))
