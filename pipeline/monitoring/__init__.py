"""Figures of runs for Prometheus."""
