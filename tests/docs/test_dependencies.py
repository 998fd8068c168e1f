"""The lock names every distribution that the service imports."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files, packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "deploy" / "requirements.txt").read_text()

IMPORT_ALL = """
import importlib, json, pkgutil, sys

importable = frozenset(json.loads(sys.argv[1])) | sys.stdlib_module_names | {"consumer"}


class OnlyTheLock:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in importable:
            raise ModuleNotFoundError(f"{name} is not in the lock", name=name)


for name in [name for name in sys.modules if name.partition(".")[0] not in importable and name != "__main__"]:
    del sys.modules[name]  # loaded by the installation at start
sys.meta_path.insert(0, OnlyTheLock())
import consumer

names = [module.name for module in pkgutil.walk_packages(consumer.__path__, "consumer.")]
for name in names + json.loads(sys.argv[2]):
    if not name.endswith(".__main__"):
        importlib.import_module(name)

# The registry client is imported late, and some of its imports run only when it is created.
from consumer.kafka.schema_registry.client import registry_complaints

url = {"url": "https://registry.invalid"}
oauth = {
    "bearer.auth.credentials.source": "OAUTHBEARER",
    "bearer.auth.client.id": "id",
    "bearer.auth.client.secret": "secret",
    "bearer.auth.scope": "scope",
    "bearer.auth.issuer.endpoint.url": "https://tokens.invalid",
    "bearer.auth.logical.cluster": "cluster",
    "bearer.auth.identity.pool.id": "pool",
}
for properties in (url, {**url, "basic.auth.user.info": "user:password"}, {**url, **oauth}):
    assert registry_complaints(properties) == [], registry_complaints(properties)
print(len(names))
"""


def normal(name: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> set[str]:
    """Return the distributions that a lock names."""
    return {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}


def importable(distributions: set[str]) -> set[str]:
    """Return the top-level packages and modules of these distributions, compiled ones included."""
    found = set[str]()
    for name in distributions:
        try:
            parts = [file.parts for file in files(name) or []]
        except PackageNotFoundError:
            continue  # locked for another platform
        found |= {part[0].partition(".")[0] for part in parts if part[-1].endswith((".py", ".so", ".pyd"))}
    return found


def imported() -> Iterator[tuple[str, str]]:
    """Yield (file, module) for each foreign import of the product, late imports included."""
    for path in sorted((ROOT / "consumer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] not in sys.stdlib_module_names | {"consumer"}:
                    yield str(path.relative_to(ROOT)), name


def import_all(lock: str) -> "subprocess.CompletedProcess[str]":
    """Import every module in a process that can import only the distributions of the lock."""
    names = sorted({name for _, name in imported()})
    words = [json.dumps(sorted(importable(locked(lock)))), json.dumps(names)]
    return subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def test_every_foreign_import_is_in_the_lock() -> None:
    owners, names = packages_distributions(), locked(LOCK)
    foreign = list(imported())
    assert {"confluent_kafka", "fastavro", "httpx2"} <= {name.partition(".")[0] for _, name in foreign}
    strays = [
        f"{file} imports {name}"
        for file, name in foreign
        if not names & {normal(owner) for owner in owners.get(name.partition(".")[0], [])}
    ]
    assert strays == []


def test_every_module_imports_with_only_the_lock_installed() -> None:
    ended = import_all(LOCK)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 100


def test_missing_dependency_of_the_registry_client_is_noticed() -> None:
    for name in ("authlib", "attrs", "cachetools", "certifi", "httpx2"):
        assert name in locked(LOCK)
    ended = import_all(re.sub(r"^certifi==", "#", LOCK, flags=re.MULTILINE))
    assert "certifi is not in the lock" in ended.stderr
