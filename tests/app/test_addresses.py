"""What is kept of clients' addresses."""

import dataclasses

import pytest

from app import create_app
from app.config import InvalidSettings, Settings
from app.ingest.addresses import kept_address
from app.keys import create_key
from app.models import db
from app.services import services
from tests.conftest import close

ADDRESSES = [
    ("203.0.113.77", "203.0.113.0"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
    ("::ffff:203.0.113.77", "203.0.113.0"),
    ("fe80::1%eth0", "fe80::"),
]


@pytest.mark.parametrize("address, network", ADDRESSES)
def test_an_anonymised_address_names_a_network_only(address: str, network: str) -> None:
    assert kept_address(address, "anonymised") == network


@pytest.mark.parametrize("address, _", ADDRESSES)
def test_a_full_address_is_kept_as_it_is(address: str, _: str) -> None:
    assert kept_address(address, "full") == address


@pytest.mark.parametrize("how", ["full", "anonymised"])
@pytest.mark.parametrize("address", ["unknown", "", "1.2.3", "x" * 46, "1.2.3.4\nx"])
def test_what_is_no_address_is_not_kept(address: str, how: str) -> None:
    assert kept_address(address, how) is None


def test_no_address_is_kept_where_none_shall_be() -> None:
    assert kept_address("203.0.113.77", "none") is None


def test_the_setting_decides_what_an_event_is_accepted_with(settings: Settings) -> None:
    app = create_app(dataclasses.replace(settings, ip_addresses="anonymised"))
    with app.app_context():
        db.create_all()
        _, key = create_key("page", ["events:write"])
    client = app.test_client()

    sent = client.post(
        "/api/v1/track",
        json={"type": "visit", "userId": "ann"},
        headers={"X-Api-Key": key},
        environ_overrides={"REMOTE_ADDR": "203.0.113.77"},
    )

    with app.app_context():
        waiting = services().stream.find(sent.json["event"]["guid"])
    assert waiting and waiting.ip_address == "203.0.113.0"
    close(app)


def test_a_setting_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidSettings, match="IP_ADDRESSES is 'hashed': choose one of full, anonymised, none"):
        Settings.from_environ({"IP_ADDRESSES": "hashed"})
