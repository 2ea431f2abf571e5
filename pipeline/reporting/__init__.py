"""Makes the report of a run, an HTML page, from the record and the artifacts of the run."""
