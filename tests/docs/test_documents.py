"""What the five documents say is true: their commands, names, files, links, lengths, and generated parts."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.cli.main import COMMANDS, Parser
from consumer.kafka.dead_letters import headers
from consumer.model import DeadLetterCause
from tests.docs import markdown, reference
from tests.docs.reference import ARCHITECTURE, DOCUMENTS, OPERATION, README, ROOT

LONGEST_LINE = 120
LONGEST_README = 200
LONGEST_TEST_NAME = 70

LOG_SOURCES = (
    "consumer/observability/log/observer.py",
    "consumer/observability/log/writer.py",
    "consumer/observability/directives_observer.py",
    "consumer/cli/run.py",
)
LEVELS = {"debug", "info", "warning", "error"}

OF_USERS = {"cdp.yaml", "directives.yaml", "events.jsonl"}
"""Files that a user has, not the project."""

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.mark.parametrize(
    ("document", "name"),
    reference.BLOCKS,
    ids=[f"{document.parent.name}-{name}" for document, name in reference.BLOCKS],
)
def test_generated_part_equals_the_product(document: Path, name: str) -> None:
    made = reference.BLOCKS[document, name]()
    assert reference.block(name, document.read_text()) == made, "run python -m tests.docs.reference"


@each_document
def test_every_command_line_parses(document: Path) -> None:
    for words in markdown.commands(document.read_text(), "cdp-consumer"):
        if words and not words[0].startswith("-"):
            assert words[0] in COMMANDS, f"there is no command {words[0]}"
            _parser(words[0]).parse(words[1:])


def test_a_command_line_with_an_unknown_option_is_noticed() -> None:
    (words,) = markdown.commands("```sh\ncdp-consumer check --lvie  # broker\n```\n", "cdp-consumer")
    with pytest.raises(SystemExit):
        _parser(words[0]).parse(words[1:])


def _parser(command: str) -> Parser:
    parser = Parser(prog=command, allow_abbrev=False)
    importlib.import_module(f"consumer.cli.{command}").add_arguments(parser)
    return parser


@each_document
def test_every_make_target_exists_and_its_options_parse(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z.][\w./$()-]*):", makefile, re.MULTILINE))
    for words in markdown.commands(document.read_text(), "make"):
        for word in words:
            variable, assigned, value = word.partition("=")
            if not assigned:
                assert word in targets, f"make has no target {word}"
                continue
            assert f"$({variable}" in makefile, f"make has no variable {variable}"
            _check_make_options(variable, value)


def _check_make_options(variable: str, value: str) -> None:
    if variable == "DEMO":
        if value != "--help":
            _parser("demo").parse(value.split())
        return
    sources = {
        "FAULTS": "tests/fault_injection/__main__.py",
        "SOAK": "tests/fault_injection/soak.py",
        "BENCH": "tests/benchmarks/__main__.py",
    }
    if variable in sources:
        source = (ROOT / sources[variable]).read_text()
        for option in re.findall(r"--[\w-]+", value):
            assert f'"{option}"' in source, f"{variable} has no option {option}"


@each_document
def test_every_module_that_is_run_exists(document: Path) -> None:
    for words in (
        *markdown.commands(document.read_text(), "python"),
        *markdown.commands(document.read_text(), "pytest"),
    ):
        if words[:1] == ["-m"] and words[1].startswith("tests."):
            path = ROOT / words[1].replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), words[1]


@each_document
def test_every_path_exists(document: Path) -> None:
    text = markdown.without_marked(document.read_text())
    for span in markdown.spans(text):
        if (
            re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", span)
            and _is_path(span)
            and span not in OF_USERS
            and "NAME" not in span
        ):
            found = [*ROOT.glob(span.rstrip("/")), *document.parent.glob(span.rstrip("/"))]
            assert found, f"{span} is no file of the project"


def _is_path(span: str) -> bool:
    folders = ("consumer/", "tests/", "avro/", "deploy/", ".ci/")
    return span.startswith(folders) or span.endswith((".py", ".yaml", ".md", ".toml", ".txt", ".jsonl", "/"))


@each_document
def test_every_metric_is_declared(document: Path) -> None:
    declared = {*reference.declared(), "cdp_build_info"}
    for span in markdown.spans(document.read_text()):
        for name in re.findall(r"\bcdp_[a-z][a-z_]+", span):
            assert name in declared or name == "cdp_consumer", f"no metric is called {name}"


@each_document
def test_every_log_event_is_written(document: Path) -> None:
    for name in re.findall(r"\b[Ll]og\s+`([^`]+)`", document.read_text()):
        assert " ".join(name.split()) in _log_events(), f"no line of the log is called {name}"


def test_table_of_log_events_is_complete() -> None:
    section = OPERATION.read_text().split("## Log events")[1]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == _log_events()


def _log_events() -> set[str]:
    return {name for source in LOG_SOURCES for name in _events_in(ast.parse((ROOT / source).read_text()))}


def _events_in(tree: ast.AST) -> Iterator[str]:
    """Yield the second argument of each call that writes a line, and each (level, event) pair."""
    for node in ast.walk(tree):
        named: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) > 1:
            if node.func.attr in {"write", "repeat", "_fault"}:
                named = [node.args[1]]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and first.value in LEVELS:
                named = [node.elts[1]]
        for each in (inner for expression in named for inner in _results(expression)):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield each.value


def _results(expression: ast.expr) -> Iterator[ast.expr]:
    if isinstance(expression, ast.IfExp):
        yield from (expression.body, expression.orelse)
    else:
        yield expression


def test_every_cause_and_header_of_dead_letters_is_described() -> None:
    section = OPERATION.read_text().split("## Dead letters")[1].split("\n## ")[0]
    rows = {name for line in section.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line)}
    assert {cause.value for cause in DeadLetterCause} <= rows
    source = Path(headers.__file__).read_text()
    written = {*re.findall(r'"(cdp-[a-z-]+[a-z])"', source)}
    assert written == {name for name in rows if name.startswith("cdp-")}


@each_document
def test_every_link_resolves(document: Path) -> None:
    for target in markdown.links(document.read_text()):
        if target.startswith("https://"):
            continue
        path, anchor = markdown.resolved(document, target)
        assert path.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in markdown.anchors(path.read_text()), f"{target}: no such heading"


@each_document
def test_no_line_is_too_long(document: Path) -> None:
    lines = markdown.without_marked(document.read_text()).splitlines()
    long = [line for line in lines if len(line) > LONGEST_LINE]
    assert long == []


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README


def test_readme_links_to_every_document() -> None:
    linked = {markdown.resolved(README, target)[0] for target in markdown.links(README.read_text())}
    assert set(DOCUMENTS) - {README} <= linked


@each_document
def test_contents_list_names_every_section(document: Path) -> None:
    text = document.read_text()
    sections = re.findall(r"^## (.+)$", markdown.without_blocks(text), re.MULTILINE)
    linked = {target for target in markdown.links(text) if target.startswith("#")}
    if document in {OPERATION, reference.MAPPING}:
        for title in sections:
            (anchor,) = markdown.anchors(f"## {title}\n")
            assert f"#{anchor}" in linked, f"the contents do not name {title}"


def test_layers_table_equals_the_import_contract() -> None:
    section = ARCHITECTURE.read_text().split("## Import rules")[1].split("| Library |")[0]
    rows = [re.findall(r"`(\w+)`", line) for line in section.splitlines() if re.match(r"\| \d", line)]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    assert rows == [re.findall(r"\w+", layer) for layer in layers]


def test_glossary_is_short() -> None:
    section = ARCHITECTURE.read_text().split("## Glossary")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| Word |")]
    assert 0 < len(rows) <= 25


def test_arguments_of_the_example_deployment_parse() -> None:
    (words,) = re.findall(r"args: \[(.+)\]", OPERATION.read_text())
    command, *rest = words.split(", ")
    parsed: argparse.Namespace = _parser(command).parse(rest)
    assert parsed.pipeline == "cdp-customerio"


def test_every_promise_names_tests_that_exist() -> None:
    _, *promises = re.split(
        r"^(?=\d+\. )", reference.block("promises", reference.TESTS.read_text()), flags=re.MULTILINE
    )
    assert [int(promise.split(".")[0]) for promise in promises] == list(range(1, 11))
    for promise in promises:
        named = re.findall(r"^ +\* `(tests/[\w/]+\.py)(?:::(\w+))?`$", promise, re.MULTILINE)
        assert named, f"no test keeps: {promise}"
        for file, name in named:
            code = (ROOT / file).read_text()
            assert not name or re.search(rf"(def|class) {name}\b|^{name} = ", code, re.MULTILINE), (
                f"{file} has no {name}"
            )


def test_top_level_is_as_agreed() -> None:
    allowed = {"pyproject.toml", "consumer", "avro", "deploy", "tests", "README.md", "Makefile"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - allowed == set()
