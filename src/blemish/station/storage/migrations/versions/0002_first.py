"""Where the steps begin: tables as a fresh database has had them since revision 0002."""

revision = "0002"
down_revision = None


def upgrade() -> None:
    pass  # a fresh database is made from `tables.metadata` at once
