"""Rows and columns: reading sources, statistics, transformed examples, files and Beam runners."""
