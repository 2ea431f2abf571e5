"""Exact ranking, its metrics and the classical baselines."""
