"""How the station's database came to be what it is, step by step, for Alembic."""
