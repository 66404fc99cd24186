"""Importing files: from lines of NDJSON or CSV, through the same checks and the same stream as what clients send."""
