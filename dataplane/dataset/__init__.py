"""The layout of transformed examples, and how the encoder and the towers are applied to them."""
