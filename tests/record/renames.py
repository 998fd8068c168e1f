"""The table of renames, and its application to the record."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "renames.toml"
SECTIONS = (
    "metrics",
    "label_values",
    "status_keys",
    "log_events",
    "log_fields",
    "config_keys",
    "checks",
    "output_keys",
    "texts",
)

Json = Any


class RenameError(Exception):
    """Two names got the same new name, or the table has an unknown section."""


def read_table(path: Path = TABLE) -> dict[str, Json]:
    """Return the table in the repository."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


class Renames:
    """Applies the table to a record and keeps track of the used rows.

    Raises:
        RenameError: the table has an unknown section.
    """

    def __init__(self, table: Mapping[str, Json]) -> None:
        if unknown := set(table) - set(SECTIONS):
            raise RenameError(f"renames.toml: unknown section: {', '.join(sorted(unknown))}")
        self._rows: dict[tuple[str, str], str] = {}
        for section, rows in table.items():
            for old, new in rows.items():
                if section == "label_values":
                    self._rows |= {(section, f"{old}={value}"): text for value, text in new.items()}
                else:
                    self._rows[section, old] = new
        self._used: set[tuple[str, str]] = set()

    @property
    def unused(self) -> list[str]:
        """The rows that have changed nothing so far."""
        return [f"[{section}] {old}" for section, old in self._rows if (section, old) not in self._used]

    def new_config_keys(self) -> dict[str, str]:
        """Return the new name of each renamed configuration key, by the last part of the old name."""
        return {old.rpartition(".")[2]: new for (section, old), new in self._rows.items() if section == "config_keys"}

    def apply(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Return the record with the new names.

        Raises:
            RenameError: a new name is already in use.
        """
        return {name: self._document(name, document) for name, document in record.items()}

    def _document(self, name: str, document: Json) -> Json:
        functions: dict[str, Callable[[Json], Json]] = {
            "metrics": self._families,
            "sample_metrics": self._families,
            "sample_counters": lambda counters: [self._counters(each) for each in counters],
            "status": self._status,
            "sample_status": self._status,
            "log": lambda log: {**log, "lines": canonical_order(self._log_kind(each) for each in log["lines"])},
            "sample_log": lambda log: [[self._line(each) for each in lines] for lines in log],
            "closed_lists": self._closed_lists,
            "probes": lambda pages: {path: self._probe(page) for path, page in pages.items()},
            "check": lambda situations: {each: self._situation(result) for each, result in situations.items()},
            "config_schema": lambda lines: sorted(self._config_path(line) for line in lines),
            **dict.fromkeys(("translate", "translate_text", "check_needs", "dead_letters"), self._output),
        }
        return functions[name](document) if name in functions else document

    # ── one name ──

    def _row(self, section: str, *keys: str) -> str | None:
        """Return the new name from the first of these rows that exists, else None."""
        for key in keys:
            if (section, key) in self._rows:
                self._used.add((section, key))
                return self._rows[section, key]
        return None

    def _value(self, label: str, of: str, value: Json) -> Json:
        if not isinstance(value, str):
            return value
        new = self._row("label_values", f"{of}.{label}={value}", f"{label}={value}")
        return value if new is None else new

    def _key(self, section: str, path: tuple[str, ...]) -> str:
        """Return the new name of the last key of a path. The row with the most keys wins."""
        rows = (".".join(path[start:]) for start in range(len(path)))
        return self._row(section, *rows) or path[-1]

    # ── documents ──

    def _families(self, families: Mapping[str, Json]) -> dict[str, Json]:
        return _distinct(
            (self._row("metrics", name) or name, {**family, "series": self._series(name, family["series"])})
            for name, family in families.items()
        )

    def _counters(self, families: Mapping[str, Json]) -> dict[str, Json]:
        return _distinct(
            (self._row("metrics", name) or name, self._series(name, series)) for name, series in families.items()
        )

    def _series(self, family: str, series: Mapping[str, Json]) -> dict[str, Json]:
        return _distinct((self._labels(family, labels), value) for labels, value in series.items())

    def _labels(self, family: str, labels: str) -> str:
        pairs = [pair.partition("=")[::2] for pair in labels.split(",")] if labels else []
        return ",".join(f"{label}={self._value(label, family, value)}" for label, value in pairs)

    def _closed_lists(self, lists: Mapping[str, list[str]]) -> dict[str, list[str]]:
        return {label: sorted(self._value(label, "", each) for each in values) for label, values in lists.items()}

    def _status(self, node: Json, path: tuple[str, ...] = ()) -> Json:
        if isinstance(node, list):
            return [self._status(each, path) for each in node]
        if not isinstance(node, dict):
            if path[-2:] == ("checks", "name"):
                return self._row("checks", node) or node
            return self._value(path[-1], path[-2] if len(path) > 1 else "", node) if path else node
        return _distinct(
            (self._key("status_keys", (*path, key)), self._status(value, (*path, key))) for key, value in node.items()
        )

    def _log_kind(self, line: Mapping[str, Json]) -> Json:
        fields = {name: value for name, value in line.items() if name != "keys"}
        return {
            **self._line(fields),
            "keys": _distinct((self._field(line["event"], key), True) for key in line["keys"]),
        }

    def _line(self, line: Mapping[str, Json]) -> Json:
        event = line["event"]
        return _distinct(
            (
                self._field(event, name),
                (self._row("log_events", event) or event) if name == "event" else self._value(name, event, value),
            )
            for name, value in line.items()
        )

    def _field(self, event: str, name: str) -> str:
        return self._row("log_fields", f"{event}.{name}", name) or name

    def _probe(self, page: Mapping[str, Json]) -> Json:
        checks = [{**each, "name": self._row("checks", each["name"]) or each["name"]} for each in page["checks"]]
        return {**page, "checks": checks}

    def _situation(self, result: Mapping[str, Json]) -> Json:
        return {
            **result,
            "findings": [{**each, "path": self._config_path(each["path"])} for each in result["findings"]],
        }

    def _config_path(self, line: str) -> str:
        """Rename the keys in a dotted path. In a path of the JSON Schema, only names under `properties` are keys."""
        path, equals, value = line.partition(" = ")
        parts = path.split(".")
        if "properties" in parts:
            keys = [(index, part) for index, part in enumerate(parts) if index and parts[index - 1] == "properties"]
        else:
            keys = list(enumerate(parts))
        names = tuple(part for _, part in keys)
        for count, (index, _) in enumerate(keys, 1):
            parts[index] = self._key("config_keys", names[:count])
        return ".".join(parts) + equals + value

    def _output(self, node: Json) -> Json:
        match node:
            case dict():
                return _distinct(
                    (self._row("output_keys", key) or key, self._output(value)) for key, value in node.items()
                )
            case list():
                return [self._output(each) for each in node]
            case str():
                return self._sentence(node)
            case _:
                return node

    def _sentence(self, text: str) -> str:
        """Return the text with its new wording, from the start or from after any `: `. The longest match wins."""
        at = len(text)
        starts = [0]
        while (at := text.rfind(": ", 0, at)) >= 0:
            starts.insert(1, at + 2)
        for start in starts:
            new = self._row("texts", text[start:])
            if new is not None:
                return text[:start] + new
        return text


def canonical_order(values: Iterable[Json]) -> list[Json]:
    """Sort JSON values by their canonical text."""
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))


def _distinct(pairs: Any) -> dict[str, Json]:  # noqa: ANN401 - an iterable of (name, anything)
    distinct: dict[str, Json] = {}
    for name, value in pairs:
        if name in distinct:
            raise RenameError(f"renames.toml: two names map to `{name}`")
        distinct[name] = value
    return distinct
