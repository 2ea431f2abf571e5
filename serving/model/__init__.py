"""Served models: their description, requests, and how they are asked."""
