"""Records to deliveries: decoding, the mapping file, expressions. No decoded event leaves this package."""

from consumer.translation.avro.schema_directory import Schema, SchemaDirectory, load_schemas
from consumer.translation.mapping import EventMapping, load_mapping, load_mapping_text
from consumer.translation.translator import Translator

__all__ = [
    "EventMapping",
    "Schema",
    "SchemaDirectory",
    "Translator",
    "load_mapping",
    "load_mapping_text",
    "load_schemas",
]
