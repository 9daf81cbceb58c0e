"""A run as a page: one self-contained HTML file, a Markdown file, and pictures for a paper.

Contract: everything shown comes from the run folder; nothing is loaded from elsewhere, no script
runs, and every word that a user or a model wrote is escaped. The same run gives the same report.
"""

from sentixrl.evaluation.report.drawing import Picture
from sentixrl.evaluation.report.writing import Report, render, write_report

__all__ = ["Picture", "Report", "render", "write_report"]
