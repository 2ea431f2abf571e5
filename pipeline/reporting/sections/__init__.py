"""The sections of a report: each module turns facts into what its template shows, or into nothing."""
