"""The coverage floor finds and names lines and branches that no test ran."""

from __future__ import annotations

from pathlib import Path

from coverage import Coverage, CoverageData

from tests.coverage_floor import pure_files, shortfall

ROOT = Path(__file__).parents[2]

SOURCE = """\
def sign(number):
    if number < 0:
        return "-"
    return "+"
"""


def measured(folder: Path, *taken: tuple[int, int]) -> tuple[Coverage, Path]:
    """Return the coverage of a file in which these jumps between lines were taken."""
    source = folder / "sign.py"
    source.write_text(SOURCE)
    data = CoverageData(basename=str(folder / "data"))
    data.add_arcs({str(source): [(-1, 1), (1, -1), *taken]})
    data.write()
    made = Coverage(data_file=str(folder / "data"), branch=True, config_file=False)
    made.load()
    return made, source


def test_full_branch_coverage_has_no_shortfall(tmp_path: Path) -> None:
    made, source = measured(tmp_path, (-1, 2), (2, 3), (3, -1), (2, 4), (4, -1))
    assert shortfall(made, [source]) == ""


def test_uncovered_line_and_branch_are_named(tmp_path: Path) -> None:
    made, source = measured(tmp_path, (-1, 2), (2, 4), (4, -1))
    table = shortfall(made, [source])
    assert "sign.py" in table
    assert table.split()[-1] != "100%"
    assert "3" in table.splitlines()[2].split()[-1]


def test_run_without_measured_files_fails(tmp_path: Path) -> None:
    made, _ = measured(tmp_path, (-1, 2))
    assert shortfall(made, [tmp_path / "elsewhere.py"]) == "nothing was measured"


def test_pure_files_exist_and_open_no_sockets() -> None:
    files = {str(path.relative_to(ROOT)) for path in pure_files(ROOT)}
    assert {"consumer/model/__init__.py", "consumer/destinations/customerio/call_contracts.py"} <= files
    assert not files & {
        "consumer/observability/http/server.py",
        "consumer/delivery/http/client.py",
        "consumer/kafka/poller.py",
    }
