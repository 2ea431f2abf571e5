"""The base of every configuration model: immutable, with finite numbers and no unknown keys."""

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError

_LISTED_BESIDE_A_MATCH = 8
"""Most keys that a message lists although each unknown key resembles one of them."""


class Strict(BaseModel):
    """Refuses unknown keys and names those that are meant or allowed. Attribute docstrings document the keys."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(values, dict):
            allowed = [field.alias or name for name, field in cls.model_fields.items()]
            unknown = [str(key) for key in values if key not in allowed and key not in cls.model_fields]
            if unknown:
                close = [difflib.get_close_matches(key, allowed, n=1) for key in unknown]
                is_clear = all(close) and len(allowed) > _LISTED_BESIDE_A_MATCH
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown key '{unknown}'{hint}{allowed}",
                    {
                        "first": unknown[0],
                        "unknown": "', '".join(unknown),
                        "hint": f" (did you mean '{matches}'?)" if (matches := _joined(close)) else "",
                        "allowed": "" if is_clear else f"; allowed: {', '.join(allowed)}",
                    },
                )
        return handler(values)


def _joined(close: list[list[str]]) -> str:
    return "', '".join(dict.fromkeys(match for matches in close for match in matches))
