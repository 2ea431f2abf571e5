"""What a served model is, and how it is asked."""
