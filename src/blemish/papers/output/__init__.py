"""From results to the tables that people read: statistics, Markdown, CSV, LaTeX and a page."""
