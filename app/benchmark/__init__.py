"""Benchmark: loads any server that speaks one of three routes, and measures what its clients see."""
