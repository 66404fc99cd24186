"""The JavaScript client, as pages load it."""
