"""The verbs of the command line, one file each: `add_parser` describes a verb, `execute` returns the exit code."""
