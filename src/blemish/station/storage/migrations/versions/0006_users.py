"""Users, their sessions, the audit trail, and who judged; of older judgements it is unknown."""

import sqlalchemy as sa
from alembic import op

from blemish.station.storage.tables import audit, sessions, users

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("feedback_by", sa.Text))
    for table in (users, sessions, audit):  # with the triggers; who changes a table writes its columns here
        table.create(op.get_bind())
