"""The Makefile installs the locked packages with any pip, even if newer releases exist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

# One worker runs all of them: otherwise each worker downloads the wheels.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("install")]

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")

PIPS = {
    "22.3": "1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "23.2.1": "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
    "26.3": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
}
"""The oldest that works, that of CPython 3.11.7 and 3.12.1, and the newest of 2026-11-21."""

NEWER = {"coverage": "999.0", "flit_core": "3.999"}
"""Releases that fit the ranges and not the pins. Neither works."""


def run(*command: str | Path, within: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command. The result has its output, standard error included."""
    return subprocess.run(
        command, env=within, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=550, check=False
    )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: everything in the locks, three releases of pip, and the newer releases."""
    folder = tmp_path_factory.mktemp("wheels")
    files = [ROOT / "deploy" / name for name in LOCKS]
    for version, digest in PIPS.items():
        files.append(folder / f"pip-{version}.txt")
        files[-1].write_text(f"pip=={version} --hash=sha256:{digest}\n")
    download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-d", folder)
    for file in files:
        done = run(*download, "-r", file)
        assert done.returncode == 0, done.stdout
    for name, version in NEWER.items():
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    return folder


class Checkout:
    """A copy of the files that the Makefile installs from, with a virtual environment of one pip and no index."""

    def __init__(self, folder: Path, wheels: Path, pip: str) -> None:
        for name in ("consumer", "avro", "deploy"):
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        self.folder = folder
        self.bin = folder / ".venv" / "bin"
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "PYTHON"))}
        self.environment = foreign | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_CACHE_DIR": "1",
        }
        assert run(sys.executable, "-m", "venv", "--without-pip", folder / ".venv").returncode == 0
        (library,) = (folder / ".venv" / "lib").glob("python*/site-packages")
        with zipfile.ZipFile(wheels / f"pip-{pip}-py3-none-any.whl") as wheel:
            wheel.extractall(library)
        (self.bin / "pip").touch()
        assert f"pip {pip} " in self.pip("--version").stdout

    def pip(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the pip of the virtual environment."""
        return run(self.bin / "python", "-m", "pip", *words, within=self.environment)

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        """Run make in the copy."""
        return run("make", "-C", self.folder, target, within=self.environment)

    def versions(self) -> dict[str, str]:
        """Return the installed versions by distribution, without pip."""
        lines = self.pip("list", "--format=freeze", "--exclude=pip").stdout.splitlines()
        return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("pip", PIPS)
def test_both_installs_match_the_locks(pip: str, wheels: Path, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", wheels, pip)
    done = checkout.make(".venv/.ready")
    assert done.returncode == 0, done.stdout
    assert not {"pytest", "flit_core", "coverage"} & checkout.versions().keys(), "the demo needs none of these"
    done = checkout.make(".venv/.ready-for-tests")
    assert done.returncode == 0, done.stdout
    versions = checkout.versions()
    assert versions["cdp-consumer"]
    assert versions["coverage"] != NEWER["coverage"]
    assert versions["flit_core"] != NEWER["flit_core"]
    assert run(checkout.bin / "cdp-consumer", "--help", within=checkout.environment).returncode == 0


def test_a_resolving_pip_fails_once_there_is_a_newer_release(wheels: Path, tmp_path: Path) -> None:
    """These are the Makefile's former commands. If they succeeded, the test above would prove nothing."""
    checkout = Checkout(tmp_path / "checkout", wheels, "23.2.1")
    locked = checkout.pip("install", "--require-hashes", "-r", str(checkout.folder / "deploy" / "requirements-dev.txt"))
    assert locked.returncode != 0
    assert "must have their versions pinned" in locked.stdout, locked.stdout
    assert "coverage[toml]" in locked.stdout
    isolated = checkout.pip("install", "--no-deps", "-e", str(checkout.folder))
    assert isolated.returncode != 0
    assert "flit_core" in isolated.stdout, isolated.stdout
