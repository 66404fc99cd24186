"""Properties: what is known about a person, derived from their events by rules (05-properties)."""
