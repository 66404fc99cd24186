"""The command line: `flask --app app …`."""

from importlib import import_module

from flask import Flask

MODULES = ("keys", "events", "profiles", "dead_letters", "operations")


def register(app: Flask) -> None:
    """Add every command; each module has a list of them in `commands`."""
    for name in MODULES:
        for command in import_module(f"app.cli.{name}").commands:
            app.cli.add_command(command)
