"""Names of the systems."""

from pathlib import Path

SYSTEMS = Path(__file__).parents[2] / "tfx_config" / "systems"
DEFAULT, ID_ONLY = "default", "default, ids only"
AUTO = "auto"
BAG, CLOSED_FORM = "bag", "closed form"


def system_names() -> list[str]:
    """The data set's own configuration, the same without features, recipes, and every file of tfx_config/systems.

    The recipes read no features: what validation names if nothing is configured, bags of ids without projection, and a
    closed form.
    """
    return [DEFAULT, ID_ONLY, AUTO, BAG, CLOSED_FORM, *sorted(file.stem for file in SYSTEMS.glob("*.yaml"))]
