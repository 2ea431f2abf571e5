"""The verbs of the command line, one file each: `add_parser` describes it, `execute` does it and returns the exit code."""
