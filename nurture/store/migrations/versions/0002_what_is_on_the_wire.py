"""what is on the wire: one row per worker instead of a start mark per message"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('flight',
    sa.Column('key', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('owner', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('ids', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('started_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('lease_until', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_flight'))
    )
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.drop_index('ix_message_campaign')
        batch_op.create_index('ix_message_campaign', ['campaign', 'step_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.drop_index('ix_message_campaign')
        batch_op.create_index('ix_message_campaign', ['campaign', 'step_id', 'state'], unique=False)

    op.drop_table('flight')
