"""The generated parts of the documents: `python -m tests.docs.reference` writes them all anew.

Each part stands between two marks, `<!-- name -->` and `<!-- /name -->`. A test compares it with the product.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.config import destination_schema, schema
from consumer.config.schema_nodes import Option, Section
from consumer.destinations import FieldRule, Target, copilot_contract
from consumer.destinations.copilot import MAX_AGE_MS
from consumer.destinations.customerio.call_contracts import CALLS
from consumer.destinations.customerio.semantic_events import ACTING, DOCUMENTED
from consumer.destinations.kinds import KINDS
from consumer.destinations.yotpo_contract import TARGET
from consumer.observability.metrics.declarations import SCRAPED_COUNTERS, SCRAPED_GAUGES, Counters
from consumer.observability.metrics.histogram import Distribution
from consumer.observability.metrics.labels import LabelledSeries
from consumer.translation.expressions.functions import Functions

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MAPPING = ROOT / "avro" / "README.md"
OPERATION = ROOT / "deploy" / "README.md"
ARCHITECTURE = ROOT / "consumer" / "README.md"
TESTS = ROOT / "tests" / "README.md"
DOCUMENTS = (README, MAPPING, OPERATION, ARCHITECTURE, TESTS)

_NO = "–"
_DAY_MS = 86_400_000


def block(name: str, text: str) -> str:
    """Return what a document has between its two marks of that name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"there is no block `{name}`"
    return found.group(1)


def with_block(name: str, content: str, text: str) -> str:
    """Return the document with the block replaced."""
    old = block(name, text)
    return text.replace(f"<!-- {name} -->\n{old}<!-- /{name} -->", f"<!-- {name} -->\n{content}<!-- /{name} -->")


# ── Configuration ──


def settings() -> str:
    """Return the reference of the configuration as a table."""
    lines = ["| Key | Means | Default |", "|---|---|---|"]
    lines += _options(schema.TOP, "")
    lines += _options(destination_schema.EVERY, "destinations.NAME.")
    for kind, options in destination_schema.OF_KIND.items():
        secrets = ", ".join(f"`{name}`" for name in KINDS[kind].secrets)
        lines.append(f"| **{kind}**: {secrets} | Its secrets. | mandatory |")
        lines += _options(options, f"{kind}: ")
    return _text(lines)


def _options(options: Mapping[str, Option], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        if isinstance(option.kind, Section):
            yield from _options(option.kind.options, f"{prefix}{name}.")
        else:
            default = "mandatory" if option.required else (option.shown_default or "none")
            yield f"| `{prefix}{name}` | {option.doc.replace('|', '¦')} | {default} |"


# ── Metrics ──


def metrics() -> str:
    """Return every metric with its type, its labels and its help, by name."""
    lines = ["| Metric | Type | Labels besides `pipeline` | Help |", "|---|---|---|---|"]
    for name, (kind, labels, text) in sorted(declared().items()):
        named = ", ".join(f"`{each}`" for each in labels if each != "pipeline") or _NO
        lines.append(f"| `{name}` | {kind} | {named} | {text.replace('|', '¦')} |")
    return _text(lines)


def declared() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Return every metric's type, labels and help, by its name on the page."""
    found = {name: ("counter", labels, text) for name, (labels, text) in SCRAPED_COUNTERS.items()}
    found |= {name: ("gauge", labels, text) for name, (labels, text) in SCRAPED_GAUGES.items()}
    recorder = _RecordedCounters(CollectorRegistry())
    return found | recorder.found


class _RecordedCounters(Counters):
    """The product's declarations, with a list of what they declare."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.found: dict[str, tuple[str, tuple[str, ...], str]] = {}
        super().__init__(registry)

    def _counter(self, name: str, labels: Sequence[str], text: str) -> LabelledSeries[Counter]:
        self.found[name] = ("counter", tuple(labels), text)
        return super()._counter(name, labels, text)

    def _gauge(self, name: str, labels: Sequence[str], text: str) -> LabelledSeries[Gauge]:
        self.found[name] = ("gauge", tuple(labels), text)
        return super()._gauge(name, labels, text)

    def _histogram(
        self, name: str, labels: Sequence[str], bounds: Sequence[float], text: str
    ) -> LabelledSeries[Distribution]:
        self.found[name] = ("histogram", tuple(labels), text)
        return super()._histogram(name, labels, bounds, text)


# ── Targets ──


def copilot() -> str:
    """Return Copilot's targets and the types of their fields."""
    types = {
        id(value): name.lower().replace("_", " ")
        for name, value in vars(copilot_contract).items()
        if isinstance(value, copilot_contract.CopilotFieldType)
    }

    def typed(fields: Mapping[str, copilot_contract.CopilotFieldType]) -> str:
        return ", ".join(f"`{name}` {types[id(each)]}" for name, each in fields.items()) or _NO

    lines = ["| `to:` | `name:` | Mandatory fields | Optional fields | Other fields |", "|---|---|---|---|---|"]
    for name, event_type in {**copilot_contract.EVENT_TYPES, "consent": copilot_contract.CONSENT}.items():
        target = copilot_contract.target(name, event_type)
        optional = typed(event_type.optional) + _one_of(target)
        other = types[id(copilot_contract.FREE)] if event_type.free else _NO
        lines.append(f"| `copilot.{name}` | {_name(target)} | {typed(event_type.mandatory)} | {optional} | {other} |")
    lines += ["", "| Type | The value |", "|---|---|"]
    used = {
        each
        for event_type in (*copilot_contract.EVENT_TYPES.values(), copilot_contract.CONSENT)
        for each in (*event_type.mandatory.values(), *event_type.optional.values(), copilot_contract.FREE)
    }
    lines += sorted(f"| {types[id(each)]} | {each.requirement} |" for each in used)
    return _text(lines)


def customerio() -> str:
    """Return Customer.io's targets, and the track events that act on the workspace."""
    lines = ["| `to:` | `name:` | Mandatory fields | Optional fields |", "|---|---|---|---|"]
    lines += [f"| `customerio.{name}` | {_name(call.target)} | {_ruled(call.target)} |" for name, call in CALLS.items()]
    lines += ["", "| Reserved `name:` of a track | Mandatory fields | Optional fields |", "|---|---|---|"]
    lines += [f"| `{name}` | {_ruled(CALLS['track'].target.by_name[name])} |" for name in ACTING]
    lines += ["", f"Other reserved names: {', '.join(f'`{name}`' for name in sorted(DOCUMENTED))}."]
    return _text(lines)


def yotpo() -> str:
    """Return Yotpo's target."""
    head = "| `to:` | `name:` | Mandatory fields | Optional fields |"
    return _text([head, "|---|---|---|---|", f"| `yotpo.{TARGET.name}` | {_name(TARGET)} | {_ruled(TARGET)} |"])


def limits() -> str:
    """Return what one request and one event may carry, by kind."""
    lines = ["| | Events a request | Bytes a request | Bytes an event | Age of an event | Requests a second |"]
    lines.append("|---|---|---|---|---|---|")
    for name, kind in KINDS.items():
        defaults = {each.name: each.default for each in dataclasses.fields(kind.options)}
        most = {option: f" (at most {limit})" for option, limit in kind.limits.items()}
        size, each = (
            f"{defaults[option]}{most.get(option, '')}" if option in defaults else _NO
            for option in ("bytes", "call_bytes")
        )
        age = f"{MAX_AGE_MS // _DAY_MS} days" if name == "copilot" else _NO
        rate = "no limit" if kind.default_rate_per_s is None else f"{kind.default_rate_per_s:g}"
        lines.append(f"| `{name}` | {defaults.get('events', 1)} | {size} | {each} | {age} | {rate} |")
    return _text(lines)


def _name(target: Target) -> str:
    return "mandatory" if target.named else "optional" if target.name_optional else _NO


def _one_of(target: Target) -> str:
    return "".join(f"; one of {' or '.join(f'`{name}`' for name in group)} is mandatory" for group in target.one_of)


def _ruled(target: Target) -> str:
    """Return a target's mandatory and optional fields as two cells."""
    mandatory, optional = list[str](), list[str]()
    for path, rule in _paths(target.fields, ""):
        (mandatory if rule.mandatory else optional).append(f"`{path}`" + (" (consent)" if rule.carries_consent else ""))
    return f"{', '.join(mandatory) or _NO} | {', '.join(optional) or _NO}{_one_of(target)}"


def _paths(rules: Mapping[str, FieldRule], prefix: str) -> Iterator[tuple[str, FieldRule]]:
    for name, rule in rules.items():
        yield prefix + name, rule
        yield from _paths(rule.fields or {}, f"{prefix}{name}.")


# ── Functions ──


def functions() -> str:
    """Return every function of expressions: those of the product, then JMESPath's own."""
    table = Functions.FUNCTION_TABLE
    own = [name for name in sorted(table) if f"_func_{name}" in vars(Functions)]
    rest = [name for name in sorted(table) if name not in own]
    lines = ["| Function | Arguments | From |", "|---|---|---|"]
    for origin, names in (("cdp-consumer", own), ("JMESPath", rest)):
        lines += [f"| `{name}` | {_arguments(table[name]['signature'])} | {origin} |" for name in names]
    return _text(lines)


def _arguments(signature: Sequence[Mapping[str, object]]) -> str:
    said = []
    for argument in signature:
        kinds = argument["types"]
        assert isinstance(kinds, list)
        text = " or ".join(f"list of {each[6:]}s" if each.startswith("array-") else each for each in kinds) or "any"
        text = text.replace("expref", "`&expression`").replace("array", "list")
        said.append(
            text + (" (optional)" if argument.get("optional") else "") + (" …" * bool(argument.get("variadic")))
        )
    return ", ".join(said) or _NO


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


BLOCKS = {
    (OPERATION, "settings"): settings,
    (OPERATION, "metrics"): metrics,
    (MAPPING, "copilot"): copilot,
    (MAPPING, "customerio"): customerio,
    (MAPPING, "yotpo"): yotpo,
    (MAPPING, "limits"): limits,
    (MAPPING, "functions"): functions,
}
"""Every generated part: its document, its name, and what makes it."""


def write() -> None:
    """Write every generated part anew."""
    for (document, name), make in BLOCKS.items():
        document.write_text(with_block(name, make(), document.read_text()))


if __name__ == "__main__":
    write()
