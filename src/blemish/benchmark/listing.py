"""What there is to measure, as text."""

from blemish.benchmark.table import METRIC_NAMES, Row, Section, find_table, load_tables
from blemish.benchmark.tasks import arguments_of


def list_tables() -> str:
    """One line per table: name, data, cells that are measured, and what it shows."""
    lines = []
    for table in load_tables().values():
        rows = sum(row.config is not None for row in table.rows)
        cells = rows * sum(len(section.categories) for section in table.sections)
        data = ", ".join(section.data for section in table.sections)
        lines.append(f"{table.name:11} {data:15} {cells:4} trainings and scorings  {table.title}")
    return "\n".join(lines)


def list_cells(name: str) -> str:
    """A table's rows with their settings, and its categories.

    Raises:
        ConfigError: there is no such table.
    """
    table = find_table(name)
    metrics = ", ".join(METRIC_NAMES[metric] for metric in table.metrics)
    lines = [f"{table.name}: {table.title}", f"{table.source}; {metrics}"]
    for section in table.sections:
        lines.append(f"{section.data}: {', '.join(section.categories)}")
    width = max(len(row.id) for row in table.rows)
    for row in table.rows:
        lines.append(f"  {row.id:{width}}  {row.name}: {_settings(table.sections[0], row)}")
    return "\n".join(lines)


def _settings(section: Section, row: Row) -> str:
    if row.config is None:
        return "quoted only"
    fields = [
        f"{key.removeprefix('model__')} {value}"
        for key, value in arguments_of(section, row).items()
        if key.startswith("model__")
    ]
    return ", ".join([row.config["method"], *fields])
