"""Changes of candidates after a version was published: a durable log beside the versions, and rows for it."""
