"""The base of every configuration model: immutable, with finite numbers and no unknown keys."""

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """Refuses unknown keys and lists the allowed ones. Attribute docstrings document the keys."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(values, dict):
            allowed = [field.alias or name for name, field in cls.model_fields.items()]
            unknown = [str(key) for key in values if key not in allowed and key not in cls.model_fields]
            if unknown:
                close = difflib.get_close_matches(unknown[0], allowed, n=1)
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown key '{unknown}'{hint}; allowed: {allowed}",
                    {
                        "unknown": "', '".join(unknown),
                        "hint": f" (did you mean '{close[0]}'?)" if close else "",
                        "allowed": ", ".join(allowed),
                    },
                )
        return handler(values)
