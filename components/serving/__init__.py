"""What indexing, validating, publishing and asking serving models is made of."""
