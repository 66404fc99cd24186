"""Measuring, and the data sets to measure with."""
