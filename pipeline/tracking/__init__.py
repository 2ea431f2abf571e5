"""Logs finished runs on a tracking server."""
