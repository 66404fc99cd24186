"""Micro: the whole service in one process and in memory, for other people's integration tests (docs/micro.md)."""
