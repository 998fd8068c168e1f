"""The one YAML file, parsed once into small frozen pieces: every complaint at once, secrets out of sight."""

from consumer.config.file import Loaded, json_schema, load
from consumer.config.secrets import MASK, Properties, Secret, SecretFile
from consumer.config.settings import (
    Budgets,
    DeadLetterSettings,
    DestinationSettings,
    FloodGuardSettings,
    HttpSettings,
    LaneSettings,
    PipelineSettings,
    Settings,
    SuspectSettings,
)

__all__ = [
    "MASK",
    "Budgets",
    "DeadLetterSettings",
    "DestinationSettings",
    "FloodGuardSettings",
    "HttpSettings",
    "LaneSettings",
    "Loaded",
    "PipelineSettings",
    "Properties",
    "Secret",
    "SecretFile",
    "Settings",
    "SuspectSettings",
    "json_schema",
    "load",
]
