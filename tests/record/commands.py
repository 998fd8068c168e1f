"""Output of `translate` and `check` for the corpus. The commands run in this process, one after the other."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.record.config import ENVIRON, FULL, MINIMAL, URLS, recorded_column, with_new_keys
from tests.record.events import CORPUS, ROOT, events, first_order, json_line
from tests.record.internals import main

Json = Any


def copy_schemas(folder: Path) -> None:
    """Create a folder with every schema of the corpus."""
    folder.mkdir()
    for path in (*(ROOT / "avro").glob("*.avsc"), *(CORPUS / "avro").glob("*.avsc")):
        shutil.copy(path, folder)


def configuration(new_keys: Mapping[str, str], changes: Mapping[str, str] = URLS) -> str:
    """Return the full configuration."""
    text = with_new_keys(FULL, new_keys).replace("TOPICS", "shop.orders")
    for name, value in changes.items():
        text = text.replace(name, value)
    return text


def translated(folder: Path, new_keys: Mapping[str, str]) -> dict[str, Json]:
    """Return the output of `translate` as JSON and as text, and the id of each delivery."""
    copy_schemas(folder / "schemas")
    (folder / "cdp.yaml").write_text(configuration(new_keys), encoding="utf-8")
    (folder / "events.jsonl").write_text(
        "".join(json_line(each) + "\n" for each in [first_order(), *events()]), encoding="utf-8"
    )
    code, text, errors = _cdp(folder, "translate", "--events", "events.jsonl", "--topic", "shop.orders")
    json_code, lines, _ = _cdp(
        folder, "translate", "--events", "events.jsonl", "--topic", "shop.orders", "--format", "json"
    )
    documents = [json.loads(line) for line in lines.splitlines()]
    return {
        "translate": {"exit_codes": [code, json_code], "errors": errors.splitlines(), "events": documents},
        "translate_text": text.splitlines(),
        "ids": {
            f"{one['event']} {one['type']}": [
                f"{request['destination']} {label} {identity}"
                for request in one["requests"]
                for label, identity in zip(request["labels"], request["identities"], strict=True)
            ]
            for one in documents
            if one["requests"]
        },
    }


def checked(folder: Path, new_keys: Mapping[str, str]) -> dict[str, Json]:
    """Return positions of findings in each situation, the computed budgets, and the configuration's JSON Schema."""
    situations = json.loads((CORPUS / "situations.json").read_text(encoding="utf-8"))
    (folder / "mapping.yaml").write_text("version: 1\nevents: {}\n", encoding="utf-8")
    found: dict[str, Json] = {}
    for change in situations["configurations"]:
        text = MINIMAL.replace(*change) if isinstance(change, list) else MINIMAL + change
        found[f"configuration: {change}"] = _positions(folder, "cdp.yaml", text, new_keys)
    (folder / "cdp.yaml").write_text(MINIMAL + _CUSTOMERIO, encoding="utf-8")
    for text in situations["mappings"]:
        found[f"mapping: {text}"] = _positions(folder, "mapping.yaml", text, new_keys)
    (folder / "mapping.yaml").write_text(_MAPPING, encoding="utf-8")
    (folder / "cdp.yaml").write_text(MINIMAL + "directives: directives.yaml\n", encoding="utf-8")
    for text in situations["directives"]:
        document = f"directives:\n  - {text}\n    until: 2030-01-01T00:00:00Z\n"
        found[f"directive: {text}"] = _positions(folder, "directives.yaml", document, new_keys)
    copy_schemas(folder / "schemas")
    (folder / "cdp.yaml").write_text(configuration(new_keys), encoding="utf-8")
    (folder / "directives.yaml").write_text("directives: []\n", encoding="utf-8")
    code, needs, _ = _cdp(folder, "check", "--format", "json", "--partitions", "3")
    return {
        "check": found,
        "check_needs": {"exit_code": code, **json.loads(needs)},
        "config_schema": sorted(_paths(json.loads(_cdp(folder, "check", "--schema")[1]))),
    }


_CUSTOMERIO = "  customerio: {url: https://cdp.customer.io/v1, api_key: '${CUSTOMERIO_KEY}'}\n"
_MAPPING = "version: 1\nevents:\n  shop.Seen:\n    deliver:\n      - {to: copilot.user_deleted, fields: {user_id: a}}\n"


def _positions(folder: Path, name: str, text: str, new_keys: Mapping[str, str]) -> Json:
    (folder / name).write_text(with_new_keys(text, new_keys), encoding="utf-8")
    code, out, _ = _cdp(folder, "check", "--format", "json")
    findings = json.loads(out)["findings"]
    positions = [
        {
            "severity": each["severity"],
            "file": each["file"],
            "line": each["line"],
            "column": recorded_column(text, new_keys, each["line"], each["column"]),
            "path": each["path"],
        }
        for each in findings
    ]
    return {"exit_code": code, "findings": positions}


def _paths(node: Json, path: str = "") -> Iterator[str]:
    """Yield a line for each leaf of the JSON Schema except texts for people."""
    if isinstance(node, dict):
        for name, value in node.items():
            if not (name in {"description", "title", "examples"} and isinstance(value, str | list)):
                yield from _paths(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for value in node:
            yield from _paths(value, f"{path}[]")
    else:
        yield f"{path} = {json.dumps(node, ensure_ascii=False)}"


def _cdp(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command in a folder. Return its exit code, standard output and standard error."""
    out, errors = io.StringIO(), io.StringIO()
    before, environ = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.update(ENVIRON)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(arguments)
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environ)
    return code, out.getvalue(), errors.getvalue()
