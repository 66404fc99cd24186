"""The version of this library, and what it calls itself."""

VERSION = "0.1.0"
USER_AGENT = f"grouparoo-python/{VERSION}"
