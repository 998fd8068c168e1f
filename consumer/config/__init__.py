"""The one YAML file, parsed once into small frozen pieces: every complaint at once, secrets out of sight."""

from consumer.config.loader import LoadedConfig, json_schema, load
from consumer.config.secrets import MASK, Properties, Secret, SecretFile
from consumer.config.settings import (
    Budgets,
    DeadLetterSettings,
    DestinationSettings,
    HttpSettings,
    PipelineSettings,
    Settings,
)

__all__ = [
    "MASK",
    "Budgets",
    "DeadLetterSettings",
    "DestinationSettings",
    "HttpSettings",
    "LoadedConfig",
    "PipelineSettings",
    "Properties",
    "Secret",
    "SecretFile",
    "Settings",
    "json_schema",
    "load",
]
