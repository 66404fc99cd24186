"""Metrics: what the web processes and the workers count, and GET /metrics for Prometheus."""
