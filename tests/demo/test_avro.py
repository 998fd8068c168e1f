"""The package contains the schemas and mapping of `avro/`. A file not linked would be missing once installed."""

from pathlib import Path

import consumer.demo
from consumer.demo.schemas import avro_directory

INSIDE = Path(consumer.demo.__file__).parent / "avro"
BESIDE = Path(consumer.demo.__file__).parents[2] / "avro"


def test_package_contains_every_schema_and_the_mapping() -> None:
    """The guide to the mapping language beside them is no part of the package."""
    beside = [path for path in BESIDE.iterdir() if path.name != "README.md"]
    assert {path.name: path.read_bytes() for path in INSIDE.iterdir()} == {
        path.name: path.read_bytes() for path in beside
    }


def test_clone_uses_the_files_beside_the_package() -> None:
    assert avro_directory() == BESIDE
