"""Exporting: all the events of a query, and all that is held on a person, a page at a time in memory."""
