"""Versions of models on disks and in buckets."""
