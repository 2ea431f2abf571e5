"""What the Evaluator is made of: the retrieval task, its ranking and its slices."""
