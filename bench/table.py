"""The table of 06-quality: what is measured, against what, and what it should at least be."""

import os
import platform
import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line: what was measured against what, in figures, and the ratio with its bar (None: reported without one)."""

    what: str
    measured: str
    against: str
    ratio: float | None = None
    bar: str = ""


def ratio_of(measured: list[float], against: list[float]) -> float:
    """The median of the ratios, pair by pair: a machine's speed drifts."""
    return statistics.median(one / other for one, other in zip(measured, against, strict=True))


def print_table(rows: list[Row], settings: str) -> None:
    """Print the rows with the machine, the versions and the settings they were taken with."""
    table = Table("what", "measured", "against", "ratio", "at least", title="Speed")
    for row in rows:
        table.add_row(row.what, row.measured, row.against, "" if row.ratio is None else f"{row.ratio:.2f}", row.bar)
    console = Console(width=150)
    console.print(table)
    packages = " ".join(
        f"{name} {version(name)}" for name in ("flask", "gunicorn", "redis", "rq", "sqlalchemy", "psycopg2-binary")
    )
    console.print(
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {sys.version.split()[0]}, {packages}"
    )
    console.print(settings)
