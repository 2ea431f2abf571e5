"""The layout of transformed examples, and applying encoder and towers to them."""
