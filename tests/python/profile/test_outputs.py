"""Storage, notices, the summary and the page: read back, escaped, self-contained, the same bytes for the same files."""

from __future__ import annotations

import re

import duckdb
import pytest

from python_ml.errors import UserError
from python_ml.leakage import find_leaks
from python_ml.profile import from_json, notices, summary, to_json, to_yaml
from python_ml.report.profile_page import render_page, save_profile
from tests.python.command_line import retention
from tests.python.profile.test_columns import lines
from tests.python.profile.test_rows import events

NAMES = ['a"b', "{{ x }}", "select", "<b>bold</b>", "ünï 日本", "x'; drop table typed_0;--", "%s $y$", "\u202egnp"]


def survives(profile, tmp_path) -> str:
    """Write and read back all outputs; the page."""
    assert from_json(to_json(profile)) == profile
    page = save_profile(profile, tmp_path / "out")["page"].read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"\b(src|href)=\"(?!#|data:,)", page)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e]", page + summary(profile).replace("\u202e", ""))
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    return page


def test_a_profile_comes_back_and_has_a_page(profiled, tmp_path):
    customers = lines("customer_id,plan,churned", *(f"K{n:03d},{'ab'[n % 2]},{int(n % 3 == 0)}" for n in range(60)))
    tables = {"orders": events(customers=40, count=900), "customers": customers}
    profile = profiled(tables=tables, probe=find_leaks, activity=True)
    page = survives(profile, tmp_path)
    assert "Rows by month" in page
    assert "Association of each column" in page
    assert "month of their first event" in page
    again = profiled(tables=tables, probe=find_leaks, activity=True)
    assert to_json(again) == to_json(profile)
    assert render_page(again) == render_page(profile)


def test_names_and_values_mean_harm(profiled, tmp_path):
    header = ",".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    rows = [",".join(f'"<script>alert({n % 3})</script>{{{{ 7 * 7 }}}}{k}"' for k in range(8)) for n in range(50)]
    profile = profiled(tables={"t": lines(header, *rows)})
    assert [c.column.raw_name for c in profile.tables[0].columns] == NAMES
    page = survives(profile, tmp_path)
    assert "&lt;script&gt;" in page
    assert "<b>bold" not in page


def test_names_that_our_own_queries_use(profiled, tmp_path):
    path = tmp_path / "t.parquet"
    duckdb.sql(f"""
        copy (select 'C' || (i % 90) as customer_id, timestamp '2023-01-01' + to_hours(i) as event_at, i % 7 as x,
            i % 5 as n, i % 4 as entity, i as day, i % 2 as churn, i % 13 as "value", i % 17 as part, i % 6 as "Ab",
            i % 8 as "aB ", i % 9 as place_, i % 3 as churned_, i % 11 as v from range(3000) t(i)) to '{path}'
    """)
    profile = profiled(path, outcome="churn", probe=find_leaks, activity=True)
    survives(profile, tmp_path)
    assert profile.tables[0].identifiers[0].column == "customer_id"
    assert len(profile.outcomes[0].associations) > 5


def test_types_that_are_no_plain_values(profiled, tmp_path):
    path = tmp_path / "odd.parquet"
    duckdb.sql(f"""
        copy (select i as id, [i, 2] as l, {{'a': i}} as s, map {{'k': i}} as m, uuid() as u, 'x'::blob as b,
            interval 3 day as iv, time '10:00' as t, null::int as n, (i * 1e30)::decimal(38, 0) as d,
            12345678901234567890123456789::hugeint + i as h, 'nan'::double as nothing, i % 2 = 0 as yes
            from range(500) t(i)) to '{path}' (format parquet)
    """)
    survives(profiled(path), tmp_path)


def test_many_columns(profiled, tmp_path):
    rows = [",".join(str(n * k % 17) for k in range(170)) for n in range(40)]
    profile = profiled(tables={"wide": lines(",".join(f"c{k}" for k in range(170)), *rows)})
    assert len(profile.tables[0].columns) == 170
    assert "20 more columns" in survives(profile, tmp_path)


@pytest.mark.parametrize("text", ["a,b\n1,2024-01-01\n", "a\nx\n", "id,t\n" + "1,2024-01-01\n" * 30])
def test_hardly_any_content(profiled, tmp_path, text):
    survives(profiled(tables={"t": text}, activity=True), tmp_path)


def test_notices_are_sentences_about_the_data(profiled):
    rows = [f"{'guest' if n % 3 == 0 else f'K{n % 32}'},2024-01-{n % 28 + 1:02d},{n % 7}" for n in range(190)]
    profile = profiled(tables={"orders": lines("customer_id,ordered_at,amount", *rows, *rows[:20])})
    noted = {(n.topic, n.column): n.text for n in notices(profile)}
    assert "exact copies of another" in noted["duplicate rows", ""]
    assert noted["outstanding value", "customer_id"].startswith("'guest' stands in 34% of the rows")
    assert "guest" in to_yaml(profile)
    assert "customer_id" in summary(profile)


def test_a_stored_profile_that_was_edited(profiled):
    text = to_json(profiled(tables={"t": "a,b\n1,x\n2,y\n"}))
    with pytest.raises(UserError, match="The profile cannot be read") as error:
        from_json(text.replace('"rows": 2', '"rows": "many"'), "profile.json")
    assert "tables" in error.value.where


def test_a_folder_that_cannot_be_written_to(profiled, tmp_path):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        save_profile(profiled(tables={"t": "a,b\n1,x\n2,y\n"}), tmp_path / "out" / "profile")


def test_the_command(monkeypatch, capsys, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(events(), encoding="utf-8")
    code, shown, err = retention(
        monkeypatch, capsys, "profile", path, "--out", tmp_path / "out", "--time", "ordered_at"
    )
    assert code == 0, err
    assert "customer_id" in shown
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"findings.yaml", "index.html"}
    code, _, err = retention(monkeypatch, capsys, "profile", path, "--outcome", "nowhere", "--out", tmp_path / "none")
    assert code == 2
    assert "hint:" in err
    assert not (tmp_path / "none").exists()


def test_the_example_of_the_guide_runs(tmp_path, monkeypatch, capsys, repository):
    guide = (repository / "docs" / "guides" / "profiling.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    orders = events(customers=60, count=600)
    customers = lines("customer_id,churned", *(f"K{n:03d},{n % 2}" for n in range(60)))
    (tmp_path / "orders.csv").write_text(orders, encoding="utf-8")
    (tmp_path / "customers.csv").write_text(customers, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "profiling.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "orders 600 [" in shown
    assert "orders customers n:1 1.0" in shown
