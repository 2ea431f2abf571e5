"""AttributeGen: gives the published models new attributes of their candidates."""

from components.attribute_gen.component import AttributeGen
from components.attribute_gen.params import AttributeGenParams

__all__ = ["AttributeGen", "AttributeGenParams"]
