"""what happened is frozen: moves, decisions and hand-offs of converted cycles, held by triggers"""

from alembic import op

from nurture.store.tables.frozen import statements

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

TABLES = ("handoff", "transition", "sales_decision")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table in TABLES:
        for statement in statements(table, dialect):
            op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        on = f" ON {table}" if op.get_bind().dialect.name == "postgresql" else ""
        op.execute(f"DROP TRIGGER frozen_{table}{on}")
