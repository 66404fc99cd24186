"""`python -m bench.soak.client`: one client process of a soak; households live in its threads, one after another."""

import argparse
import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask

from app import create_app
from bench.soak.api import Api
from bench.soak.household import HouseholdLife
from bench.soak.journal import Journal

THREADS = 4
PATIENCE_S = 120
"""So long after its end a client still tries to deliver what it has."""


def main() -> None:
    """The environment says where everything is, the arguments who we are."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak.client", description=__doc__)
    parser.add_argument("--number", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--url")
    parser.add_argument("--key")
    parser.add_argument("--until", type=float, help="seconds since 1970")
    parser.add_argument("--journal", type=Path)
    given = parser.parse_args()
    app = create_app()
    journals = [Journal() for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for outcome in [pool.submit(live, given, app, journal, n) for n, journal in enumerate(journals)]:
            outcome.result()
    joined(journals).write(given.journal)


def live(given: argparse.Namespace, app: Flask, journal: Journal, thread: int) -> None:
    """One household after another until the time is up."""
    api = Api(given.url, given.key, journal)
    for count in itertools.count():
        number = given.number * 1_000_000 + thread * 100_000 + count
        chance = random.Random(f"{given.seed} {number}")
        is_poisoned = chance.random() < 0.1
        life = HouseholdLife(number, chance, api, app, given.until + PATIENCE_S, is_poisoned)
        journal.households.append(life.record)
        life.live(given.until)
        if time.time() > given.until:
            return


def joined(journals: list[Journal]) -> Journal:
    """All of them as one."""
    whole = Journal()
    for one in journals:
        whole.households += one.households
        whole.answers += one.answers
        whole.decisions += one.decisions
        whole.accepted_at += one.accepted_at
        whole.wrong += one.wrong
        whole.retries += one.retries
    return whole


if __name__ == "__main__":
    main()
