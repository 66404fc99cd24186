"""`python -m backends.conformance URL…`: the suite on each of these empty stores, as a table of promises and backends."""

import os
import sys
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.table import Table

from backends.base import EventQuery
from backends.conformance import on_url
from backends.registry import open_backend

WORDS = {"passed": "yes", "skipped": "–", "failed": "NO"}
OPTIONS = ["-q", "--no-header", "--no-summary", "--disable-warnings", "-p", "no:cacheprovider", "-c", os.devnull]


class Outcomes:
    """A pytest plugin that keeps what became of each promise: the worst of its cases."""

    def __init__(self) -> None:
        self.by_promise: dict[str, str] = {}
        self.reasons: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for the setup, the call and the teardown of each case."""
        if report.when != "call" and report.passed:
            return
        promise = report.nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
        known = self.by_promise.get(promise, "passed")
        self.by_promise[promise] = max(known, report.outcome, key=list(WORDS).index)
        if report.failed:
            self.reasons.append(f"{promise}\n{report.longreprtext}")


def run(url: str) -> Outcomes:
    """The suite on one store. Ends the process if that has events: the suite deletes what it finds."""
    backend = open_backend(url)
    backend.setup()
    if backend.count(EventQuery(), 1):
        sys.exit(f"there are events in this {type(backend).__name__}: give an empty store")
    backend.close()
    os.environ[on_url.URL] = url
    outcomes = Outcomes()
    pytest.main([*OPTIONS, "--rootdir", os.path.dirname(on_url.__file__), on_url.__file__], [outcomes])
    return outcomes


def main(urls: Sequence[str]) -> int:
    """Print the table, and why what is broken is; 1 if anything is."""
    if not urls:
        sys.exit("usage: python -m backends.conformance URL…  (empty stores, as EVENT_BACKEND_URL names them)")
    found = [run(url) for url in urls]
    table = Table("promise", *(url.partition(":")[0] for url in urls))
    for promise in dict.fromkeys(promise for one in found for promise in one.by_promise):
        table.add_row(promise, *(WORDS[one.by_promise.get(promise, "skipped")] for one in found))
    Console().print(table)
    reasons = [reason for one in found for reason in one.reasons]
    print(*reasons, sep="\n\n")
    return int(bool(reasons))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
