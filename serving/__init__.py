"""What is served, from the SavedModel's contract to the socket."""
