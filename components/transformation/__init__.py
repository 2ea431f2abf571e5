"""What Transform is made of: survey, shuffle by query, splits, vocabularies, encoding."""
