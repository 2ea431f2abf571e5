"""Arrow and numpy columns: hashing, exact sums, raw features."""
