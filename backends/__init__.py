"""Where events are stored. Knows nothing of the app or the worker."""
