"""Placeholders: what clients send for an id when they have none."""


def is_placeholder(value: str, placeholders: frozenset[str]) -> bool:
    """Whether the id identifies nobody: empty, or one of the configured words, whatever its case and blanks (03-identity)."""
    word = value.strip().lower()
    return not word or word in placeholders
