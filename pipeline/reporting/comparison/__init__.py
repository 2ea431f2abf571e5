"""Compares runs: metrics with paired intervals, answers, data and configuration."""
