"""Batches that write claims of a device while others do: whoever comes second sees the first, even if it dies at once."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask

from app.identity import decisions, deletions, profiles
from app.identity.plan import Claims
from app.identity.store import IdentityStore
from app.identity.view import View
from app.services import services
from backends.event import Event
from tests.worker.test_repoint import profile_of, sql_of_app, store, visit, work_off
from worker.pipeline import Pipeline

Meanwhile = Callable[[], None]


class Overtaken(IdentityStore):
    """Somebody does something after it has read what is known, but before it writes."""

    meanwhile: list[Meanwhile]

    def _view(self, connection: sa.Connection, events: Sequence[Event]) -> View:
        view = super()._view(connection, events)
        if self.meanwhile:
            self.meanwhile.pop()()
        return view


class Overtaking(IdentityStore):
    """Somebody begins something after it has taken hold of the devices, but before it writes; they may have to wait."""

    meanwhile: list[Meanwhile]

    def _lock_claimed(self, connection: sa.Connection, view: View, claims: Claims) -> None:
        super()._lock_claimed(connection, view, claims)
        if self.meanwhile:
            self.meanwhile.pop()()


def sign_in(second: int, user: str) -> Meanwhile:
    return lambda: store(visit(second, user, "phone"))


def merge(into: str, source: str) -> Meanwhile:
    def do() -> None:
        identity = services().identity
        parent, child = profiles.find_by(identity, "user", into), profiles.find_by(identity, "user", source)
        assert parent and child
        decisions.merge(identity, parent, child)
        work_off()

    return do


@pytest.fixture(params=["a second sign-in", "a merge"])
def meanwhile(request: pytest.FixtureRequest, at_work: Flask) -> Meanwhile:
    """What bears on the phone's event of second 30, together with carl's claim of second 20: it is nobody's then."""
    store(visit(30, None, "phone"), visit(2, "bob", None))
    if request.param == "a second sign-in":
        return sign_in(10, "bob")
    store(visit(1, "ann", "phone"), visit(10, "bob", "phone"), visit(3, "carl", None))
    return merge("ann", "bob")


def redeliver(batch: list[Event]) -> None:
    """The worker was killed as soon as its first transaction was over; another one does the batch again."""
    store(*batch)
    work_off()


def test_what_others_did_since_it_read_is_seen(at_work: Flask, meanwhile: Meanwhile) -> None:
    batch = [visit(20, "carl", "phone")]
    late = Overtaken(services().identity.engine, services().identity.policy)
    late.meanwhile = [meanwhile]
    if late.dialect == "sqlite":  # which has one writer at a time
        late.meanwhile.pop()()

    Pipeline(late, services().backend, frozenset()).identify(batch)
    redeliver(batch)

    assert profile_of(30) not in {profile_of(10), profile_of(20), None}


def test_a_device_that_is_forgotten_since_it_read_is_known_again(at_work: Flask) -> None:
    store(visit(1, None, "phone"), visit(2, "carl", None))
    phone = profiles.find_by(services().identity, "anonymous", "phone")
    assert phone

    def forget() -> None:
        deletions.delete(services().identity, phone)
        work_off()

    late = Overtaken(services().identity.engine, services().identity.policy)
    late.meanwhile = [forget]
    if late.dialect == "sqlite":
        late.meanwhile.pop()()
    Pipeline(late, services().backend, frozenset()).identify([visit(20, "carl", "phone")])

    assert sql_of_app("SELECT value FROM identifiers WHERE kind = 'anonymous'") == "phone"


def test_others_wait_until_its_claims_are_there(at_work: Flask, meanwhile: Meanwhile) -> None:
    batch = [visit(20, "carl", "phone")]
    early = Overtaking(services().identity.engine, services().identity.policy)

    def begin() -> None:
        pool.submit(in_context)
        time.sleep(0.5)

    def in_context() -> None:
        with at_work.app_context():
            meanwhile()

    early.meanwhile = [begin]
    with ThreadPoolExecutor(1) as pool:
        Pipeline(early, services().backend, frozenset()).identify(batch)
    redeliver(batch)

    assert profile_of(30) not in {profile_of(10), profile_of(20), None}
