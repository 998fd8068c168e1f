"""Avro bombs: schemas and bytes that could exhaust memory, never end or crash the process.

`python -m tests.unit.avro_bomb_cases` reads them one after the other with little memory and little time. It prints a
line of JSON after each: after a crash, the last line shows which one was next.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from tests.unit.avro_bomb import DECODED, HUGE, LOWEST, Bomb, Json, array, noise, record

MEMORY_BYTES = 1 << 30
CPU_S = 120


def chain(count: int, last: Json) -> list[Json]:
    """Return records that each contain the one before."""
    return [record(f"R{n}", a=f"R{n - 1}" if n else last) for n in range(count)]


def doubling(count: int, last: Json, space: str = "") -> list[Json]:
    """Return records that each contain the one before twice. `space` is the prefix of their names."""
    return [record(f"{space}R{n}", a=f"{space}R{n - 1}", b=f"{space}R{n - 1}") if n else last for n in range(count)]


_TOO_LONG = "is longer than"
_TOO_DEEP = "nested"
_TOO_EMPTY = "values that take no bytes"
_EARLY = "ends too early"

BOMBS = (
    # ── schemas ──
    Bomb("a schema of ten megabytes", '{"type":"record","name":"R","doc":"' + "x" * 10_000_000 + '"}', _TOO_LONG),
    Bomb("references of ten megabytes", '"R"', _TOO_LONG, references={"R": {"type": "int", "doc": "x" * 10_000_000}}),
    Bomb("thirty thousand fields", record("R", **{f"f{n}": "int" for n in range(30_000)}), DECODED, b"\x02" * 30_000),
    Bomb("a hundred thousand nested types in brackets", "[" * 100_000 + "]" * 100_000, _TOO_DEEP),
    Bomb("thirty thousand nested arrays", '{"type":"array","items":' * 30_000 + '"int"' + "}" * 30_000, _TOO_DEEP),
    Bomb(
        "four hundred nested arrays", '{"type":"array","items":' * 400 + '"int"' + "}" * 400, _TOO_DEEP, b"\x02" * 401
    ),
    Bomb("a chain of three hundred types", chain(300, "int"), _TOO_DEEP, b"\x02"),
    Bomb("a chain of ten thousand types", chain(10_000, "int"), _TOO_DEEP),
    Bomb("a union of a hundred thousand unions", "[" + ",".join(["[]"] * 100_000) + "]", "a union directly within"),
    Bomb(
        "a chain of types that is reached step by step",
        [f"R{n}" for n in range(49, 900, 50)],
        _TOO_DEEP,
        b"\x02",
        {f"r{n}": each for n, each in enumerate(chain(900, "int"))},
    ),
    Bomb(
        "a chain of ten thousand references",
        '"R9999"',
        _TOO_DEEP,
        references={f"r{n}": each for n, each in enumerate(chain(10_000, "int"))},
    ),
    Bomb(
        "a thousand references in the worst order",
        '"R999"',
        _TOO_DEEP,
        references={f"r{n}": chain(1000, "int")[n] for n in (*range(1, 1000, 2), *range(998, -1, -2))},
    ),
    Bomb(
        "five thousand branches that share one wide type",
        [record("Wide", **{f"f{n}": "int" for n in range(15_000)}), *(record(f"B{n}", a="Wide") for n in range(5000))],
        DECODED,
        b"\x02" * 15_000,
    ),
    Bomb(
        "three thousand branches that share three thousand types",
        [
            *(record(f"S{n}") for n in range(2500)),
            record("Hub", **{f"f{n}": f"S{n}" for n in range(2500)}),
            *(record(f"B{n}", a="Hub") for n in range(3000)),
        ],
        _TOO_EMPTY,
    ),
    Bomb("references in a circle", '"A"', _TOO_DEEP, b"", {"a": record("A", b="B"), "b": record("B", a="A")}),
    Bomb(
        "names that collide",
        '"A"',
        "two different definitions",
        b"\x02",
        {"a": record("A", a="int"), "b": record("A", a="string")},
    ),
    Bomb("a name given again in a reference", record("A", a="int"), DECODED, b"\x02", {"a": record("A", a="string")}),
    Bomb(
        "the same type referred to twice",
        '"A"',
        DECODED,
        b"\x02",
        {"a": record("A", a="int"), "b": record("A", a="int")},
    ),
    Bomb(
        "a type defined within another, after its first use",
        record("T", a="Inner", b="Outer"),
        DECODED,
        b"\x02\x04",
        {"o": record("Outer", i=record("Inner", x="int"))},
    ),
    Bomb("a name within its own", record("A", a=record("A", b="int")), "defines the type A twice"),
    Bomb("a record named int", record("int", a="int"), DECODED, b"\x02"),
    # ── data without bytes ──
    Bomb("2^40 empty records in no bytes", doubling(40, record("R0")), _TOO_EMPTY),
    Bomb("2^40 nulls in no bytes", doubling(40, record("R0", a="null")), _TOO_EMPTY),
    Bomb("2^40 empty fixed in no bytes", doubling(40, {"type": "fixed", "name": "R0", "size": 0}), _TOO_EMPTY),
    Bomb("2^40 records that need bytes", doubling(40, record("R0", a="int")), _EARLY, b"\x02" * 1000),
    Bomb("an array of 2^40 records each", [*doubling(40, record("R0")), array("R39")], _TOO_EMPTY, b"\x02\x00"),
    Bomb(
        "two thousand nulls with each byte",
        array(record("R", a="int", **{f"f{n}": "null" for n in range(2000)})),
        _TOO_EMPTY,
        b"\x80\x10" + b"\x02" * 1024 + b"\x00",
    ),
    Bomb(
        "two thousand nulls with each key",
        {"type": "map", "values": record("R", **{f"f{n}": "null" for n in range(2000)})},
        _TOO_EMPTY,
        b"\x80\x10" + b"\x00" * 1024 + b"\x00",
    ),
    Bomb("2^40 records of 2^62 nulls each", doubling(40, record("R0", a=array("null"))), _TOO_EMPTY, HUGE),
    Bomb("2^62 nulls", array("null"), _TOO_EMPTY, HUGE),
    Bomb("2^63 nulls, as a negative count", array("null"), _TOO_EMPTY, LOWEST + b"\x00"),
    # ── records within themselves ──
    Bomb("a hundred thousand nested records", record("C", c=["null", "C"]), _TOO_DEEP, b"\x02" * 100_000 + b"\x00"),
    Bomb("nested arrays of records", record("C", c=array("C")), _TOO_DEEP, b"\x02" * 100_000 + b"\x00" * 100_001),
    Bomb(
        "nested maps of records",
        record("C", c={"type": "map", "values": "C"}),
        _TOO_DEEP,
        b"\x02\x00" * 100_000 + b"\x00" * 100_001,
    ),
    Bomb("a record that cannot end", record("C", c="C"), _TOO_DEEP),
    Bomb("two records that cannot end", [record("A", b=record("B", a="A"))], _TOO_DEEP),
    # ── lengths ──
    Bomb("a text of 2^62 bytes", '"string"', _EARLY, HUGE + b"abc"),
    Bomb("a text of a negative length", '"string"', _EARLY, b"\x01abc"),
    Bomb("bytes of a negative length", '"bytes"', _EARLY, LOWEST + b"abc"),
    Bomb("an array of 2^62 numbers", array("int"), _EARLY, HUGE + b"\x02" * 1000),
    Bomb("an array of -2^63 numbers", array("int"), _EARLY, LOWEST + b"\x02" * 1000),
    Bomb("a block of a negative count and no such size", array("int"), DECODED, b"\x01" + HUGE + b"\x02\x00"),
    Bomb("a map with a key of a negative length", {"type": "map", "values": "int"}, _EARLY, b"\x02\x01\x02\x00"),
    Bomb("fixed of 2^62 bytes", {"type": "fixed", "name": "F", "size": 1 << 62}, _EARLY, b"abc"),
    Bomb("fixed of a negative size", {"type": "fixed", "name": "F", "size": -5}, _EARLY, b"abc"),
    Bomb(
        "fixed of a size that is text",
        {"type": "fixed", "name": "F", "size": "many"},
        "no valid `size`",
        b"abc",
    ),
    Bomb("a symbol before the first", {"type": "enum", "name": "E", "symbols": ["A", "B"]}, "symbol", b"\x01"),
    Bomb("a number of five thousand bytes", array("long"), _EARLY, b"\xff" * 5000),
)


def main() -> None:
    """Run all cases, then random ones: their seed and number are the arguments of the command line."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    for bomb in BOMBS:
        print(json.dumps({"name": bomb.name, "outcome": bomb.outcome()}), flush=True)
    outcomes = [bomb.outcome() for bomb in noise(int(sys.argv[1]), int(sys.argv[2]))]
    counted = {"decoded": outcomes.count(DECODED), "faults": len(outcomes) - outcomes.count(DECODED)}
    print(json.dumps({"name": "noise", "outcome": counted, "peak": _peak_bytes()}), flush=True)


def _peak_bytes() -> int:
    """Return this process's peak memory. `ru_maxrss` would begin with its parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
