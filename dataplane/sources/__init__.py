"""Sources: what a user brings, and how it is found and read."""
