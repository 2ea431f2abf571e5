"""From rows as they come to clean tables and dead letters, on Beam."""
