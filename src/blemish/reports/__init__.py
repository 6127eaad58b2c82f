"""One self-contained HTML page about an evaluation."""

from blemish.reports.page import write_report

__all__ = ["write_report"]
