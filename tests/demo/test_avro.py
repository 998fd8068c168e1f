"""The package contains the same files as `avro/`. A file that is not linked would be missing once installed."""

from pathlib import Path

import consumer.demo
from consumer.demo.schemas import avro_directory

INSIDE = Path(consumer.demo.__file__).parent / "avro"
BESIDE = Path(consumer.demo.__file__).parents[2] / "avro"


def test_package_contains_every_file_of_avro() -> None:
    assert {path.name: path.read_bytes() for path in INSIDE.iterdir()} == {
        path.name: path.read_bytes() for path in BESIDE.iterdir()
    }


def test_clone_uses_the_files_beside_the_package() -> None:
    assert avro_directory() == BESIDE
