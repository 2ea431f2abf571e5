"""Nights on a drifting stream of events, with warm trainings beside cold ones."""
