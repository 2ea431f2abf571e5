"""The two towers and the encoders of histories."""
