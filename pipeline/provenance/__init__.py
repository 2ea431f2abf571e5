"""Why steps ran, where artifacts come from, and whether runs can be repeated."""
