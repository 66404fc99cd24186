"""`flask keys`: make, list, revoke and rotate API keys."""

import click
from flask.cli import AppGroup

from app.cli.terminal import fail, show_table
from app.keys import (
    MAX_RATE_LIMIT,
    PERMISSIONS,
    UnknownPermission,
    UnusableName,
    UnusableOrigin,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)

group = AppGroup("keys", help="Make, list, revoke and rotate API keys.")


@group.command("create")
@click.option("--name", required=True, help="Who will use it, for example 'Web API'.")
@click.option("--permission", "permissions", multiple=True, help="What it may do; may be given several times.")
@click.option("--write", "may_write", is_flag=True, help="It may send events; so it may if nothing is said.")
@click.option("--all", "is_for_all", is_flag=True, help="It may do everything.")
@click.option("--origin", "origins", multiple=True, help="A web page's origin it may be used from; none means any.")
@click.option("--rate-limit", type=click.IntRange(1, MAX_RATE_LIMIT), help="So many events a minute, and no more.")
def create(
    name: str,
    permissions: tuple[str, ...],
    may_write: bool,
    is_for_all: bool,
    origins: tuple[str, ...],
    rate_limit: int | None,
) -> None:
    """Make a key and print it, once. Without a permission it may send events and nothing else.

    Example: flask --app app keys create --name shop
    """
    if may_write or not permissions:
        permissions = (*permissions, "events:write")
    try:
        row, key = create_key(name, PERMISSIONS if is_for_all else dict.fromkeys(permissions), origins, rate_limit)
    except (UnknownPermission, UnusableName, UnusableOrigin) as error:
        fail(str(error))
    click.echo(f"{row.guid}: {key}")


@group.command("list")
def list_all() -> None:
    """List all keys.

    Example: flask --app app keys list
    """
    rows = [
        (
            row.guid,
            row.name,
            "all" if set(row.permissions) == set(PERMISSIONS) else " ".join(row.permissions),
            " ".join(row.origins),
            row.rate_limit,
            row.created_at,
            row.revoked_at,
        )
        for row in list_keys()
    ]
    show_table(["guid", "name", "permissions", "origins", "events a minute", "created", "revoked"], rows)


@group.command("revoke")
@click.argument("guid")
def revoke(guid: str) -> None:
    """Revoke a key: it ends within ten seconds.

    Example: flask --app app keys revoke key_018f
    """
    if revoke_key(guid) is None:
        fail(f"there is no key {guid}")
    click.echo(f"revoked {guid}")


@group.command("rotate")
@click.argument("guid")
def rotate(guid: str) -> None:
    """Make a new key under the same guid and print it, once; the old one ends within ten seconds.

    Example: flask --app app keys rotate key_018f
    """
    rotated = rotate_key(guid)
    if rotated is None:
        fail(f"there is no key {guid} that could be rotated")
    click.echo(f"{guid}: {rotated[1]}")
