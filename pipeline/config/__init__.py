"""The configuration file: how it is read and checked, and how problems are explained."""
