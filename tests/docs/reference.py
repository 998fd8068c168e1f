"""The README's settings, from the table that validates them: `python -m tests.docs.reference` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from consumer.config import destination_schema, schema
from consumer.config.schema_nodes import Option, Section
from consumer.destinations.kinds import KINDS

README = Path(__file__).parents[2] / "README.md"


def block(name: str, text: str) -> str:
    """Return what the README says between its two marks of that name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"README.md has no block `{name}`"
    return found.group(1)


def with_block(name: str, content: str, text: str) -> str:
    """Return the README with the block replaced."""
    old = block(name, text)
    return text.replace(f"<!-- {name} -->\n{old}<!-- /{name} -->", f"<!-- {name} -->\n{content}<!-- /{name} -->")


def settings() -> str:
    """Return the reference of the configuration as a table."""
    lines = ["| Key | Means | Default |", "|---|---|---|"]
    lines += _rows(schema.TOP, "")
    lines += _rows(destination_schema.EVERY, "destinations.NAME.")
    for kind, options in destination_schema.OF_KIND.items():
        secrets = ", ".join(f"`{name}`" for name in KINDS[kind].secrets)
        lines.append(f"| **{kind}**: {secrets} | Its secrets. | mandatory |")
        lines += _rows(options, f"{kind}: ")
    return "\n".join(lines) + "\n"


def _rows(options: Mapping[str, Option], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        if isinstance(option.kind, Section):
            yield from _rows(option.kind.options, f"{prefix}{name}.")
        else:
            default = "mandatory" if option.required else (option.shown_default or "none")
            yield f"| `{prefix}{name}` | {option.doc.replace('|', '¦')} | {default} |"


if __name__ == "__main__":
    README.write_text(with_block("settings", settings(), README.read_text()))
