"""Changes of a configuration, as a function of its content."""


def put(path, value):
    """Returns a function that sets a dotted key."""

    def change(values):
        *parents, last = path.split(".")
        for parent in parents:
            values = values.setdefault(parent, {})
        values[last] = value

    return change


def drop(path):
    def change(values):
        *parents, last = path.split(".")
        for parent in parents:
            values = values[parent]
        del values[last]

    return change
