"""Memory and processor time of processes, from Linux' /proc; elsewhere nothing is known."""

import os
from pathlib import Path


def resident_bytes(pid: int | str) -> int | None:
    """Memory that the process holds now; None if there is no such process."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int | str) -> float | None:
    """Processor time that the process has taken, in seconds; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
