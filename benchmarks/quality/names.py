"""Names of the systems."""

from pathlib import Path

SYSTEMS = Path(__file__).parents[2] / "tfx_config" / "systems"
DEFAULT, ID_ONLY = "default", "default, ids only"


def system_names() -> list[str]:
    """The data set's own configuration, the same without features, and every file of tfx_config/systems."""
    return [DEFAULT, ID_ONLY, *sorted(file.stem for file in SYSTEMS.glob("*.yaml"))]
