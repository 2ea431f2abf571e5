"""The sections of a report: each module turns the facts of a run into the view of its template."""
