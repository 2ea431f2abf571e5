"""The chain of components and how it runs: configuration, runner, cache, metadata, command line."""
