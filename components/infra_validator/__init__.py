"""InfraValidator: loads the serving models in fresh processes, asks them, and checks their answers."""

from components.infra_validator.component import InfraValidator
from components.infra_validator.params import InfraValidationConfig

__all__ = ["InfraValidationConfig", "InfraValidator"]
