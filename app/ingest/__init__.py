"""The hot path: what a client sends is authenticated, validated, stamped, and handed to the stream."""
