"""Files that mean harm, through `retention profile` and `retention init` alike, and what is generated of them."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_ml.names import identifier
from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.reading import scratch_connection
from python_ml.profiling import read_findings, render_page, write_findings
from tests.python.command_line import command_here, retention, rows
from tests.python.hostile_files import FILES, ROWS, VALUES, cell, csv_file
from tests.python.test_profile import profiled

READ = [name for name, file in FILES.items() if not file.refused]
REFUSED = [name for name, file in FILES.items() if file.refused]
BUILT = ("names", "types of all kinds", "far times in parquet")


class TestRefused:
    @pytest.mark.parametrize("name", REFUSED)
    @pytest.mark.parametrize("words", [("profile", "--out", "made"), ("init", "made", "--yes", "--data")])
    def test_with_one_message_and_nothing_written(self, monkeypatch, capsys, tmp_path, name, words):
        monkeypatch.chdir(tmp_path)
        path = FILES[name].make(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        code, out, err = retention(monkeypatch, capsys, *words, path)
        assert code == 2, err
        assert FILES[name].refused in err
        assert err.count("Error:") == 1
        assert str(path) in err
        assert "hint:" in err
        assert "Traceback" not in err + out
        assert sorted(tmp_path.rglob("*")) == before


class TestRead:
    @pytest.mark.parametrize("name", READ)
    def test_by_profile(self, monkeypatch, capsys, tmp_path, name):
        path, out = FILES[name].make(tmp_path), tmp_path / "out"
        code, shown, err = retention(monkeypatch, capsys, "profile", path, "--out", out)
        assert code == 0, err
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e]", shown)
        (file,) = read_findings(out / "findings.yaml").files
        assert (file.rows, file.granularity.entity, file.granularity.time) == (ROWS, "customer_id", "ordered_at")
        page = (out / "index.html").read_text(encoding="utf-8")
        assert "<script" not in page
        assert "<b>bold" not in page
        assert not re.search(r"\b(src|href)=\"(?!#|data:,)", page)

    @pytest.mark.parametrize("name", [name for name in READ if name not in BUILT])
    def test_by_init(self, monkeypatch, capsys, tmp_path, name):
        path, project = FILES[name].make(tmp_path), tmp_path / "made"
        code, _, err = retention(monkeypatch, capsys, "init", project, "--yes", "--data", path)
        assert code == 0, err
        (file,) = yaml.safe_load((project / "findings.yaml").read_text(encoding="utf-8"))["files"]
        assert (file["rows"], file["entity"]["column"], file["time"]["column"]) == (ROWS, "customer_id", "ordered_at")
        assert file["rows_kept"] + sum(file["rows_quarantined"].values()) == ROWS
        for made in (*project.rglob("*.sql"), *project.rglob("*.yml")):
            if "packages" not in made.parts:
                identifiers = set(re.findall(r"as ([A-Za-z_][\w]*)\b", made.read_text(encoding="utf-8")))
                assert all(len(name) <= 60 for name in identifiers)

    @pytest.mark.parametrize("name", BUILT)
    def test_what_init_makes_of_it_builds(self, tmp_path, name):
        path = FILES[name].make(tmp_path)
        made = command_here(tmp_path, "init", "made", "--yes", "--data", str(path), "--json")
        assert made.returncode == 0, made.stderr
        (file,) = json.loads(made.stdout)["findings"]["files"]
        built = command_here(tmp_path / "made", "build")
        assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
        counts = dict(rows(tmp_path / "made", "select outcome, sum(row_count) from bronze.brz_row_counts group by 1"))
        assert sum(counts.values()) == ROWS
        assert counts.pop("kept") == file["rows_kept"]
        assert counts == file["rows_quarantined"]
        assert sum(counts.values()) == {"far times in parquet": 6}.get(name, 0)
        assert rows(tmp_path / "made", "select count(*) > 0 from gold.gld_customer_features") == [(True,)]

    def test_values_arrive_as_they_stand(self, tmp_path):
        findings = profiled(FILES["names"].make(tmp_path))
        assert {item.value for column in findings.files[0].columns for item in column.top} >= set(VALUES)


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
        folder = tmp_path_factory.mktemp("any")
        path = csv_file(folder, tuple(names), lambda n: table[n % len(table)], rows=60)
        findings = profiled(path)
        (file,) = findings.files
        assert file.rows == 60
        assert len(file.columns) == 3 + len(names)
        written = folder / "findings.yaml"
        written.write_text(write_findings(findings), encoding="utf-8")
        assert read_findings(written) == findings
        assert "<script" not in render_page(findings)
        for place, column in enumerate(file.columns[3:]):
            filled = [table[n % len(table)][place] for n in range(60)]
            # A blank is what DuckDB trims; nothing else may go missing.
            assert column.missing == sum(not value.strip(" ") for value in filled)

    @SETTINGS
    @given(cells=st.lists(st.lists(CELLS.map(cell), min_size=0, max_size=5), min_size=1, max_size=6))
    def test_ragged_rows_are_refused_or_complete(self, tmp_path_factory, cells):
        from python_ml.errors import UserError

        path = tmp_path_factory.mktemp("ragged") / "t.csv"
        lines = ["a,b,c", "1,2,3", *(",".join(row) for row in cells), "4,5,6"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        try:
            with scratch_connection() as connection:
                (profile,) = examine(connection, [DataArgument(path)])
        except UserError as refused:
            assert refused.hint
            assert str(path) in refused.where
            return
        assert len(profile.columns) == 3
        assert all(len(row) in (0, 3) for row in cells)
        # An empty line is no row.
        assert profile.file.rows == 2 + sum(len(row) == 3 for row in cells)

    @SETTINGS
    @given(content=st.binary(max_size=300))
    def test_bytes_of_any_kind_end_in_rows_or_in_a_word(self, tmp_path_factory, content):
        from python_ml.errors import UserError

        path = tmp_path_factory.mktemp("bytes") / "t.csv"
        path.write_bytes(content)
        try:
            findings = profiled(path)
        except UserError as refused:
            assert refused.hint
            return
        assert findings.files[0].rows > 0
        assert write_findings(findings)

    @SETTINGS
    @given(st.text(LETTERS, max_size=80))
    def test_identifiers_are_plain(self, name):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,55}", identifier(name))
