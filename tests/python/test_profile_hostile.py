"""Input that means harm, or that nobody thought of: survived, escaped, or refused with one clear message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from python_ml.profiling import read_findings, render_page, summarise, write_findings
from tests.python.command_line import command_here, retention
from tests.python.raw_shop import shop, write
from tests.python.test_profile import column_of, profiled


def survives(tmp_path: Path, *paths: Path, **options):
    """Profile files, write all three outputs, and read the findings back."""
    findings = profiled(*paths, **options)
    written = tmp_path / "findings.yaml"
    written.write_text(write_findings(findings), encoding="utf-8")
    assert read_findings(written) == findings
    page = render_page(findings)
    assert "<script" not in page
    assert not re.search(r"\b(src|href)=\"(?!#|data:,)", page)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", summarise(findings))
    return findings


class TestNames:
    def test_quotes_jinja_sql_and_markup(self, tmp_path):
        names = ['a"b', "{{ x }}", "select", "<b>bold</b>", "ünï 日本", "x'; drop table typed_0;--", "%s", "\u202egnp"]
        path = tmp_path / "t.csv"
        lines = [",".join('"' + name.replace('"', '""') + '"' for name in names)]
        lines += [",".join(f'"<script>alert({n % 3})</script>{{{{ 7 * 7 }}}}{k}"' for k in range(8)) for n in range(50)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        findings = survives(tmp_path, path)
        assert [column.name for column in findings.files[0].columns] == names
        page = render_page(findings)
        assert "&lt;script&gt;" in page
        assert "<b>bold" not in page

    def test_names_that_our_own_queries_use(self, tmp_path):
        path = tmp_path / "t.parquet"
        duckdb.sql(f"""
            copy (select 'C' || (i % 90) as customer_id, timestamp '2023-01-01' + to_hours(i) as event_at, i % 7 as x,
                i % 5 as n, i % 3 as p, i % 4 as entity, i as day, i % 11 as v10, i % 2 as churn, i % 13 as "value",
                i % 17 as part, i % 6 as "Ab", i % 8 as "aB ", i % 9 as "file_row_number"
                from range(3000) t(i)) to '{path}' (format parquet)
        """)
        file = survives(tmp_path, path, target="churn").files[0]
        assert file.granularity.entity == "customer_id"
        assert len(file.targets[0].associations) > 5

    def test_a_file_with_a_row_number_of_its_own_is_sampled_fairly(self, tmp_path, monkeypatch):
        monkeypatch.setattr("python_ml.profiling.tables.SAMPLE_ROWS", 10_000)
        path = tmp_path / "t.parquet"
        duckdb.sql(f"copy (select 5 as file_row_number, i as v from range(100000) t(i)) to '{path}' (format parquet)")
        assert 8_000 < survives(tmp_path, path).files[0].sampled_rows < 12_000


class TestShapes:
    def test_many_columns(self, tmp_path):
        path = tmp_path / "wide.csv"
        lines = [",".join(f"c{k}" for k in range(300))]
        lines += [",".join(str(n * k % 17) for k in range(300)) for n in range(40)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert len(survives(tmp_path, path).files[0].columns) == 300

    def test_types_that_are_no_plain_values(self, tmp_path):
        path = tmp_path / "odd.parquet"
        duckdb.sql(f"""
            copy (select i as id, [i, 2] as l, {{'a': i}} as s, map {{'k': i}} as m, uuid() as u, 'x'::blob as b,
                interval 3 day as iv, time '10:00' as t, null::int as n, (i * 1e30)::decimal(38, 0) as d,
                12345678901234567890123456789::hugeint + i as h, 'nan'::double as nothing, i % 2 = 0 as yes
                from range(500) t(i)) to '{path}' (format parquet)
        """)
        assert column_of(survives(tmp_path, path).files[0], "n").semantic == "empty"

    def test_times_before_1900_and_after_2200(self, tmp_path):
        path = tmp_path / "t.parquet"
        duckdb.sql(f"""
            copy (select 'C' || (i % 50) as customer_id, i as v,
                case when i = 1 then timestamp '1066-10-14' when i = 2 then timestamp '9999-12-31'
                    else timestamp '2023-01-01' + to_days((i % 400)::int) end as ordered_at
                from range(2000) t(i)) to '{path}' (format parquet)
        """)
        file = survives(tmp_path, path).files[0]
        times = column_of(file, "ordered_at")
        assert (file.coverage.first, file.coverage.last) == ("2023-01-01", "2024-02-04")
        assert {item.value[:10] for item in times.times.unreadable} == {"1066-10-14", "9999-12-31"}

    @pytest.mark.parametrize("text", ["a,b\n1,2024-01-01\n", "a\nx\n", "id,t\n" + "1,2024-01-01\n" * 30])
    def test_hardly_any_content(self, tmp_path, text):
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8")
        survives(tmp_path, path)

    def test_a_quote_that_never_ends(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text('a,b\n1,"x\n2,y\n3,z\n', encoding="utf-8")
        file = survives(tmp_path, path).files[0]
        assert file.rows == 3
        assert any("quotes" in note for note in file.notes)


class TestCommand:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "empty"),
            (b"a,b\n", "no rows"),
            (b"a,b\n1,\x00\n", "not readable text"),
            (b"a,b\n1,2\n3\n", "Line 3 has 1 columns"),
            ("a,b\nä,1\n".encode() + b"\xe4,2\n", "mixes encodings"),
        ],
    )
    def test_mistakes_are_explained_and_nothing_is_written(self, monkeypatch, capsys, tmp_path, content, told):
        path, out = tmp_path / "t.csv", tmp_path / "out"
        path.write_bytes(content)
        code, shown, err = retention(monkeypatch, capsys, "profile", path, "--out", out)
        assert code == 2, err
        assert told in err
        assert "hint:" in err
        assert "Traceback" not in err + shown
        assert not out.exists()

    @pytest.mark.parametrize("kind", ["folder", "missing", "no_rows", "target", "twice"])
    def test_other_mistakes(self, monkeypatch, capsys, tmp_path, kind):
        path = write(tmp_path / "orders.csv", shop(200))
        words = [path]
        if kind == "folder":
            words = [tmp_path]
        elif kind == "missing":
            words = [tmp_path / "none.csv"]
        elif kind == "no_rows":
            words = [tmp_path / "none.parquet"]
            duckdb.sql(f"copy (select 1 as a where false) to '{words[0]}' (format parquet)")
        elif kind == "target":
            words = [path, "--target", "nowhere"]
        else:
            words = [path, path]
        code, _, err = retention(monkeypatch, capsys, "profile", *words, "--out", tmp_path / "out")
        assert code == 2
        assert "hint:" in err
        assert not (tmp_path / "out").exists()

    def test_a_place_where_nothing_can_be_written(self, monkeypatch, capsys, tmp_path):
        path = write(tmp_path / "orders.csv", shop(200))
        (tmp_path / "file").write_text("in the way")
        code, _, err = retention(monkeypatch, capsys, "profile", path, "--out", tmp_path / "file" / "below")
        assert code == 2
        assert "--out" in err

    def test_it_writes_findings_page_and_json(self, tmp_path):
        path = write(tmp_path / "orders.csv", shop(600))
        outcome = command_here(tmp_path, "profile", str(path), "--json")
        assert outcome.returncode == 0, outcome.stderr
        result = json.loads(outcome.stdout)
        assert result["findings"]["version"] == 1
        assert (tmp_path / "profile" / "index.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert read_findings(tmp_path / "profile" / "findings.yaml").files[0].name == "orders"
        assert sorted(p.name for p in (tmp_path / "profile").iterdir()) == ["findings.yaml", "index.html"]
