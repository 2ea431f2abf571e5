"""The events of all queries as flat arrays: ranges of them, and windows before them."""
