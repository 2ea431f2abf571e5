"""What configures StatisticsGen."""

TABLES = ("interactions", "queries", "candidates")
