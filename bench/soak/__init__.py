"""The whole system under load, while its parts are killed, paused and restarted at random; then the check of every promise."""
