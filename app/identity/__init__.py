"""Who an event is about: a pure function of the stored events (rule.py), and its set-wise keeping (the other modules)."""
