"""The package carries the very files that stand in `avro/`: what is not linked would be missing once installed."""

from pathlib import Path

import consumer.demo
from consumer.demo.schemas import avro_directory

WITHIN = Path(consumer.demo.__file__).parent / "avro"
BESIDE = Path(consumer.demo.__file__).parents[2] / "avro"


def test_every_file_of_avro_is_in_the_package_too() -> None:
    assert {path.name: path.read_bytes() for path in WITHIN.iterdir()} == {
        path.name: path.read_bytes() for path in BESIDE.iterdir()
    }


def test_a_clone_uses_the_files_a_person_would_edit() -> None:
    assert avro_directory() == BESIDE
