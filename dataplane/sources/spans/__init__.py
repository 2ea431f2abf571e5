"""Spans: the days, hours or numbered parts in which interactions arrive, and the window of them that a run reads."""
