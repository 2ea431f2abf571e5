"""Parameters of StatisticsGen."""

TABLES = ("interactions", "queries", "candidates")
