"""The mapping file: which events become which deliveries, as data, with everything wrong in it found at load."""

from consumer.translation.mapping.loader import load_mapping, load_mapping_text
from consumer.translation.mapping.rules import EntryRule, EventMapping, EventRule

__all__ = ["EntryRule", "EventMapping", "EventRule", "load_mapping", "load_mapping_text"]
