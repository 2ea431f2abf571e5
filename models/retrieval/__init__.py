"""The search for the best candidates, and the served graph around it."""
