"""`flask bench`: loads a server, ours or another, and shows what its clients see."""

from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.benchmark.load import CannotLoad, Load, Tally
from app.benchmark.messages import ROUTES
from app.benchmark.watch import Watch
from app.cli.terminal import fail, show_json, show_record

WATCHED_S = 600.0


@click.command("bench")
@click.argument("url")
@click.option("--route", type=click.Choice(list(ROUTES)), default="/api/v1/batch", show_default=True, help="What it speaks.")
@click.option("--key", envvar="BENCH_KEY", required=True, help="A key that may send events (also BENCH_KEY).")
@click.option("--read-key", envvar="BENCH_READ_KEY", help="One that may read events: then it is told when all are associated.")
@click.option("--events", type=click.IntRange(1), default=10_000, show_default=True, help="How many events to send.")
@click.option("--duration", type=click.FloatRange(0.1), metavar="SECONDS", help="Send for so long, instead of so many.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, show_default=True, help="Requests at once.")
@click.option("--batch-size", type=click.IntRange(1), default=100, show_default=True, help="Events in a request.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def bench(
    url: str, route: str, key: str, read_key: str | None, events: int, duration: float | None, as_json: bool, **how: Any
) -> None:
    """Load the server at URL, and tell what its clients see. It stores the events: take one that is meant for this.

    Example: flask --app app bench http://127.0.0.1:5000 --key KEY --read-key KEY
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise click.BadParameter(f"{url!r} is no address: give one like http://127.0.0.1:5000", param_hint="URL")
    load = Load(url, ROUTES[route], key, how["batch_size"], how["concurrency"])
    try:
        tally = _send(load, events, duration)
        found = _summary(tally)
        if read_key:
            found |= _watched(Watch(url, read_key, load.visitors.type), tally)
    except CannotLoad as error:
        fail(str(error))
    if as_json:
        show_json(found)
    else:
        show_record(found)
        if not read_key:
            click.echo("with --read-key it would tell, too, when all of them are associated", err=True)
    if not tally.accepted:
        fail("no event was accepted")


def _send(load: Load, events: int, duration: float | None) -> Tally:
    with _progress() as progress:
        task = progress.add_task("sending", total=None if duration else events)
        return load.run(events, duration, lambda tally: progress.update(task, completed=tally.accepted + tally.rejected))


def _watched(watch: Watch, tally: Tally) -> dict[str, object]:
    with _progress() as progress:
        task = progress.add_task("storing", total=tally.accepted)
        waited = watch.wait(tally.accepted, WATCHED_S, lambda stored: progress.update(task, completed=stored))
    if waited is None:
        fail(f"after {WATCHED_S:.0f} s not all of the {tally.accepted} accepted events are associated: does a worker run?")
    whole = tally.seconds + waited
    return {"associatedAfterSeconds": round(whole, 2), "associatedPerSecond": round(tally.accepted / whole)}


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)


def _summary(tally: Tally) -> dict[str, object]:
    requests = len(tally.latencies)
    return {
        "accepted": tally.accepted,
        "rejected": tally.rejected,
        "seconds": round(tally.seconds, 2),
        "eventsPerSecond": round(tally.accepted / tally.seconds),
        "requestsPerSecond": round(requests / tally.seconds),
        "latencyMs": {
            "p50": round(tally.latency_ms(0.5), 1),
            "p90": round(tally.latency_ms(0.9), 1),
            "p99": round(tally.latency_ms(0.99), 1),
            "max": round(tally.latency_ms(1), 1),
        },
        "answers": {str(status): count for status, count in sorted(tally.answers.items())},
        "unanswered": tally.unanswered,
    }
