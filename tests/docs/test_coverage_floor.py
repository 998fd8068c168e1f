"""The floor under coverage holds what is on it, and a hole in it is named."""

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
    """Return what was measured of a file in which these jumps between lines were taken."""
    source = folder / "sign.py"
    source.write_text(SOURCE)
    data = CoverageData(basename=str(folder / "data"))
    data.add_arcs({str(source): [(-1, 1), (1, -1), *taken]})
    data.write()
    made = Coverage(data_file=str(folder / "data"), branch=True, config_file=False)
    made.load()
    return made, source


def test_where_every_branch_was_taken_nothing_is_short(tmp_path: Path) -> None:
    made, source = measured(tmp_path, (-1, 2), (2, 3), (3, -1), (2, 4), (4, -1))
    assert shortfall(made, [source]) == ""


def test_a_line_and_a_branch_that_nothing_took_are_named(tmp_path: Path) -> None:
    made, source = measured(tmp_path, (-1, 2), (2, 4), (4, -1))
    table = shortfall(made, [source])
    assert "sign.py" in table
    assert table.split()[-1] != "100%"
    assert "3" in table.splitlines()[2].split()[-1]


def test_a_run_that_measured_none_of_the_files_is_no_good_run(tmp_path: Path) -> None:
    made, _ = measured(tmp_path, (-1, 2))
    assert shortfall(made, [tmp_path / "elsewhere.py"]) == "nothing was measured"


def test_the_list_names_files_that_are_there_and_none_that_opens_sockets() -> None:
    files = {str(path.relative_to(ROOT)) for path in pure_files(ROOT)}
    assert {"consumer/model/__init__.py", "consumer/destinations/customerio/call_contracts.py"} <= files
    assert not files & {
        "consumer/observability/http/server.py",
        "consumer/delivery/http/client.py",
        "consumer/kafka/poller.py",
    }
