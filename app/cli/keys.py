"""`flask keys`: make, list, revoke and rotate API keys."""

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.keys import PERMISSIONS, UnknownPermission, create_key, list_keys, revoke_key, rotate_key

group = AppGroup("keys", help="Make, list, revoke and rotate API keys.")


@group.command("create")
@click.option("--name", required=True, help="Who will use it, for example 'Web API'.")
@click.option("--permission", "permissions", multiple=True, help="What it may do; may be given several times.")
@click.option("--all", "is_for_all", is_flag=True, help="It may do everything.")
@click.option("--origin", "origins", multiple=True, help="A web page's origin it may be used from; none means any.")
def create(name: str, permissions: tuple[str, ...], is_for_all: bool, origins: tuple[str, ...]) -> None:
    """Make a key and print it, once. Without a permission it may send events and nothing else."""
    try:
        row, key = create_key(name, PERMISSIONS if is_for_all else permissions or ["events:write"], origins)
    except UnknownPermission as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{row.guid}: {key}")


@group.command("list")
def list_all() -> None:
    """List all keys."""
    table = Table("guid", "name", "permissions", "origins", "created", "revoked")
    for row in list_keys():
        table.add_row(
            row.guid,
            escape(row.name),
            " ".join(row.permissions),
            escape(" ".join(row.origins)),
            row.created_at,
            row.revoked_at or "",
        )
    Console().print(table)


@group.command("revoke")
@click.argument("guid")
def revoke(guid: str) -> None:
    """Revoke a key: it ends within ten seconds."""
    if revoke_key(guid) is None:
        raise click.ClickException(f"there is no key {guid}")
    click.echo(f"revoked {guid}")


@group.command("rotate")
@click.argument("guid")
def rotate(guid: str) -> None:
    """Make a new key under the same guid and print it, once; the old one ends within ten seconds."""
    rotated = rotate_key(guid)
    if rotated is None:
        raise click.ClickException(f"there is no key {guid} that could be rotated")
    click.echo(f"{guid}: {rotated[1]}")
