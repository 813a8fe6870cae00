"""Files that mean harm, through `retention profile` and `retention init` alike, and what is generated of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.ingest import DataArgument, open_tables, scratch_connection
from python_ml.profile import Profile, from_json, profile_tables, to_json
from python_ml.report.profile_page import render_page
from tests.python.command_line import command_here, retention, rows
from tests.python.hostile_files import FILES, ROWS, VALUES, cell, csv_file

READ = [name for name, file in FILES.items() if not file.refused]
REFUSED = [name for name, file in FILES.items() if file.refused]
# A thousand columns take Python's own loader ten seconds.
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BUILT = ("names", "types of all kinds", "far times in parquet")


def profiled(path: Path) -> Profile:
    """Profile a file as the command does."""
    with scratch_connection() as connection:
        return profile_tables(connection, open_tables(connection, [DataArgument(path)]), activity=True)


class TestRefused:
    @pytest.mark.parametrize("name", REFUSED)
    @pytest.mark.parametrize("arguments", [("profile", "--out", "made"), ("init", "made", "--yes", "--data")])
    def test_with_one_message_and_nothing_written(self, monkeypatch, capsys, tmp_path, name, arguments):
        monkeypatch.chdir(tmp_path)
        path = FILES[name].make(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        code, out, err = retention(monkeypatch, capsys, *arguments, path)
        assert code == 2, err
        assert FILES[name].refused in err
        assert err.count("Error:") == 1
        assert str(path) in err
        assert "hint:" in err
        assert "Traceback" not in err + out
        assert sorted(tmp_path.rglob("*")) == before


class TestRead:
    @pytest.mark.parametrize("name", BUILT)
    def test_by_profile(self, monkeypatch, capsys, tmp_path, name):
        """The other files are profiled by `init`, in the same way."""
        path, out = FILES[name].make(tmp_path), tmp_path / "out"
        code, shown, err = retention(monkeypatch, capsys, "profile", path, "--out", out)
        assert code == 0, err
        profiled_as_promised(out, shown)

    @pytest.mark.parametrize("name", [name for name in READ if name not in BUILT])
    def test_by_init(self, monkeypatch, capsys, tmp_path, name):
        path, project = FILES[name].make(tmp_path), tmp_path / "made"
        code, shown, err = retention(monkeypatch, capsys, "init", project, "--yes", "--data", path)
        assert code == 0, err
        profiled_as_promised(project / "docs" / "profile", shown)
        kept_as_promised(project, name)
        for made in (*project.rglob("*.sql"), *project.rglob("*.yml")):
            if "packages" not in made.parts:
                identifiers = set(re.findall(r"as ([A-Za-z_][\w]*)\b", made.read_text(encoding="utf-8")))
                assert all(len(name) <= 60 for name in identifiers)

    @pytest.mark.parametrize("name", BUILT)
    def test_what_init_makes_of_it_builds(self, tmp_path, name):
        path = FILES[name].make(tmp_path)
        made = command_here(tmp_path, "init", "made", "--yes", "--data", str(path))
        assert made.returncode == 0, made.stderr
        file = kept_as_promised(tmp_path / "made", name)
        built = command_here(tmp_path / "made", "build")
        assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
        counts = dict(rows(tmp_path / "made", "select outcome, sum(row_count) from bronze.brz_row_counts group by 1"))
        assert sum(counts.values()) == ROWS
        assert counts.pop("kept") == file["rows_kept"]
        assert counts == file["rows_quarantined"]
        assert rows(tmp_path / "made", "select count(*) > 0 from gold.gld_customer_features") == [(True,)]

    def test_values_arrive_as_they_stand(self, tmp_path):
        profile = profiled(FILES["names"].make(tmp_path))
        assert {count.value for column in profile.tables[0].columns for count in column.top} >= set(VALUES)


def profiled_as_promised(out: Path, shown: str) -> None:
    """What was printed has no control characters, the findings have rows, customer and time, the page no code."""
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e]", shown)
    (table,) = yaml.load((out / "findings.yaml").read_text(encoding="utf-8"), FAST)["tables"]
    assert (table["table"]["rows"], table["identifiers"][0]["column"]) == (ROWS, "customer_id")
    assert table["time"]["column"] == "ordered_at"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>bold" not in page
    assert not re.search(r"\b(src|href)=\"(?!#|data:,)", page)


def kept_as_promised(project: Path, name: str) -> dict:
    """The file's entry in findings.yaml, whose counts are checked."""
    (file,) = yaml.load((project / "findings.yaml").read_text(encoding="utf-8"), FAST)["files"]
    raw = {column["role"]: column["name"] for column in file["columns"]}
    assert (file["rows"], raw["entity"], raw["time"]) == (ROWS, "customer_id", "ordered_at")
    assert file["rows_kept"] + sum(file["rows_quarantined"].values()) == ROWS
    rejected = {FILES[name].rejected: 1} if FILES[name].rejected else {}
    assert file["rows_quarantined"] == FILES[name].quarantined | rejected
    return file


# Anything but what no CSV file can hold: surrogates and NUL; a name is not blank, for then it would be numbered.
LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
NAMES = st.text(LETTERS, min_size=1, max_size=30).filter(lambda name: name.strip() and not name.strip()[0].isdigit())
CELLS = st.one_of(
    st.sampled_from(VALUES),
    st.text(LETTERS, max_size=12),
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=True).map(str),
    st.datetimes().map(str),
)
SETTINGS = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


class TestAnything:
    """Whatever names and values are, nothing is lost, and what is written can be read back."""

    @SETTINGS
    @given(data=st.data(), names=st.lists(NAMES, min_size=1, max_size=4))
    def test_names_and_values(self, tmp_path_factory, data, names):
        table = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=3, max_size=9))
        path = csv_file(tmp_path_factory.mktemp("any"), tuple(names), lambda n: table[n % len(table)], rows=60)
        profile = profiled(path)
        assert profile.tables[0].rows == 60
        assert len(profile.tables[0].columns) >= 3 + len(names)
        assert from_json(to_json(profile)) == profile
        assert "<script" not in render_page(profile)

    @SETTINGS
    @given(cells=st.lists(st.lists(CELLS.map(cell), min_size=0, max_size=5), min_size=1, max_size=6))
    def test_ragged_rows_are_refused_or_complete(self, tmp_path_factory, cells):
        path = tmp_path_factory.mktemp("ragged") / "t.csv"
        lines = ["a,b,c", "1,2,3", *(",".join(row) for row in cells), "4,5,6"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        try:
            (table,) = profiled(path).tables
        except UserError as refused:
            assert refused.hint
            assert str(path) in refused.where
            return
        assert all(len(row) in (0, 3) for row in cells)
        # An empty line is no row.
        assert table.rows == 2 + sum(len(row) == 3 for row in cells)

    @SETTINGS
    @given(content=st.binary(max_size=300))
    def test_bytes_of_any_kind_end_in_rows_or_in_a_message(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("bytes") / "t.csv"
        path.write_bytes(content)
        try:
            profile = profiled(path)
        except UserError as refused:
            assert refused.hint
            return
        assert profile.tables[0].rows > 0
        assert from_json(to_json(profile)) == profile
