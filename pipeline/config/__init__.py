"""The configuration file: reading, checking, explaining problems."""
