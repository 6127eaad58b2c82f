"""What there is to measure, as text."""

from blemish.experiments.experiment import fit_settings
from blemish.papers.configs import config_of, values_of
from blemish.papers.table import METRIC_NAMES, Row, Section, Table, find_table, load_tables


def list_tables() -> str:
    """One line per table: name, data, results and trainings for each seed, and what it shows."""
    lines = []
    for table in load_tables().values():
        data = ", ".join(section.data for section in table.sections)
        lines.append(f"{table.name:11} {data:15} {_work(table):27} {table.title}")
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


def _work(table: Table) -> str:
    results, trainings = 0, 0
    for section in table.sections:
        configs = [config_of(section, row) for row in table.rows if row.config is not None]
        results += len(configs) * len(section.categories)
        trainings += len({fit_settings(config) for config in configs}) * len(section.categories)
    return f"{results} results of {trainings} trainings"


def _settings(section: Section, row: Row) -> str:
    if row.config is None:
        return "quoted only"
    fields = [f"{key} {value}" for key, value in values_of(section, row)["model"].items()]
    return ", ".join([row.config["method"], *fields])
