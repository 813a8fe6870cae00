"""`retention generate`: what a person edited is never overwritten; and what was accepted builds."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from python_ml.errors import UserError
from python_ml.onboarding.examination import DataArgument
from python_ml.onboarding.looking import Told, look, look_again
from python_ml.onboarding.writing import MANIFEST, create, renew
from python_ml.recommendations import Recommendations
from python_ml.recommendations.projects import create_project, generate_project, recommend_project
from tests.python.command_line import command, retention, rows
from tests.python.decided_world import shop_files, table_file
from tests.python.labelled_world import world

FILES = {"models/a.sql": "select 1\n", "models/b.sql": "select 2\n", "models/gone.sql": "select 3\n"}


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "dbt_packages" not in path.parts and MANIFEST.name != path.name
    }


@pytest.fixture
def project(tmp_path) -> Path:
    create(tmp_path / "project", FILES, {"mine.yaml": "mine\n"})
    return tmp_path / "project"


class TestEdits:
    def test_nothing_changes_where_nothing_is_new(self, project) -> None:
        before = texts(project)
        done = renew(project, FILES)
        assert sorted(done.unchanged) == sorted(FILES)
        assert not (done.written or done.beside or done.edited or done.removed or done.left)
        assert texts(project) == before

    def test_an_unedited_file_becomes_new(self, project) -> None:
        done = renew(project, {**FILES, "models/a.sql": "select 10\n"})
        assert done.written == ["models/a.sql"]
        assert texts(project) == {**FILES, "mine.yaml": "mine\n", "models/a.sql": "select 10\n"}

    def test_an_edited_file_stays_and_its_new_version_stands_beside(self, project) -> None:
        (project / "models/a.sql").write_text("select 99 -- mine\n")
        assert renew(project, FILES).edited == ["models/a.sql"]
        assert not (project / "models/a.sql.new").exists()
        for _ in range(2):  # it waits as long as nobody has looked at it
            done = renew(project, {**FILES, "models/a.sql": "select 10\n"})
            assert done.beside == ["models/a.sql"]
            assert (project / "models/a.sql").read_text() == "select 99 -- mine\n"
            assert (project / "models/a.sql.new").read_text() == "select 10\n"
        done = renew(project, {**FILES, "models/a.sql": "select 11\n"})
        assert (project / "models/a.sql.new").read_text() == "select 11\n"
        (project / "models/a.sql.new").unlink()  # merged
        done = renew(project, {**FILES, "models/a.sql": "select 11\n"})
        assert (done.edited, done.beside) == (["models/a.sql"], [])
        assert not (project / "models/a.sql.new").exists()

    def test_taking_the_new_version_over_ends_the_matter(self, project) -> None:
        (project / "models/a.sql").write_text("select 99 -- mine\n")
        newer = {**FILES, "models/a.sql": "select 10\n"}
        renew(project, newer)
        (project / "models/a.sql").write_text("select 10\n")
        assert renew(project, newer).beside == []
        assert not (project / "models/a.sql.new").exists()
        assert renew(project, {**FILES, "models/a.sql": "select 12\n"}).written == ["models/a.sql"]

    def test_an_edited_new_version_is_not_overwritten_and_nothing_is_half_done(self, project) -> None:
        (project / "models/a.sql").write_text("select 99 -- mine\n")
        renew(project, {**FILES, "models/a.sql": "select 10\n"})
        (project / "models/a.sql.new").write_text("select 10 -- looked at\n")
        before = texts(project)
        with pytest.raises(UserError, match="merging it was not finished"):
            renew(project, {"models/a.sql": "select 11\n", "models/b.sql": "select 20\n"})
        assert texts(project) == before

    def test_what_is_no_longer_made_goes_only_when_unedited(self, project) -> None:
        (project / "models/b.sql").write_text("select 2 -- mine\n")
        done = renew(project, {"models/a.sql": "select 1\n"})
        assert (done.removed, done.left) == (["models/gone.sql"], ["models/b.sql"])
        assert not (project / "models/gone.sql").exists()
        assert (project / "models/b.sql").read_text() == "select 2 -- mine\n"
        # It comes back: the file there is not ours any more.
        done = renew(project, FILES)
        assert done.beside == ["models/b.sql"]
        assert (project / "models/b.sql").read_text() == "select 2 -- mine\n"

    def test_a_deleted_file_comes_back_and_a_file_of_ones_own_stays(self, project) -> None:
        (project / "models/a.sql").unlink()
        (project / "models/own.sql").write_text("select 7\n")
        done = renew(project, {**FILES, "models/own.sql": "select 8\n"})
        assert (done.written, done.beside) == (["models/a.sql"], ["models/own.sql"])
        assert (project / "models/own.sql").read_text() == "select 7\n"

    def test_other_line_ends_are_no_edit(self, project) -> None:
        (project / "models/a.sql").write_bytes(b"select 1\r\n")
        assert renew(project, {**FILES, "models/a.sql": "select 10\n"}).written == ["models/a.sql"]

    def test_without_a_list_of_generated_files_nothing_is_touched(self, project) -> None:
        (project / MANIFEST).unlink()
        with pytest.raises(UserError, match="Nothing says which files"):
            renew(project, FILES)

    def test_a_list_that_points_outside_is_refused(self, project) -> None:
        told = json.loads((project / MANIFEST).read_text())
        told["files"]["../../elsewhere.sql"] = "0"
        (project / MANIFEST).write_text(json.dumps(told))
        with pytest.raises(UserError, match="outside"):
            renew(project, FILES)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A project in which everything was accepted."""
    folder = tmp_path_factory.mktemp("generate")
    arguments = [DataArgument(path) for path in shop_files(folder / "data")]
    found = look(arguments, Told(horizon="30d", entity="customer_id"), folder / "shop")
    create_project(folder / "shop", found, Recommendations.from_findings(found).accept_all())
    return folder / "shop"


def built(folder: Path) -> None:
    outcome = command(folder, "dbt", "build", "--exclude", "gld_churn_scores_raw+", "gld_churn_reasons_raw+")
    assert outcome.returncode == 0, outcome.stdout[-3000:]


def test_what_was_accepted_builds_and_does_what_it_says(shop) -> None:
    built(shop)
    bronze = "bronze.brz_shop__orders"
    assert rows(shop, f"select max(quantity) < 100, min(quantity) < 0 from {bronze}") == [(True, True)]
    assert rows(shop, f"select count(*) from {bronze} where channel = 'N/A'") == [(0,)]
    assert rows(shop, f"select count(distinct product_code) from {bronze}") == [(25,)]
    counts = dict(
        rows(shop, "select outcome, row_count from bronze.brz_row_counts where source_table = 'shop__orders'")
    )
    assert counts["exact copy"] == 12
    entry = next(p for p in Recommendations.read(shop / "recommendations.yaml") if p.action == "interaction")
    ratio, (short, long) = entry.subject, entry.parameters["of"]
    wrong = rows(shop, f"""
        select count(*) from gold.gld_customer_features
        where {ratio} is distinct from case when {long} > 0 then {short} / {long} end
    """)  # fmt: skip
    assert wrong == [(0,)]
    columns = [name for (name,) in rows(shop, f"select column_name from (describe {bronze})")]
    assert not {"note", "currency"} & set(columns)


def test_what_was_rejected_is_gone_and_the_rest_still_builds(shop) -> None:
    path = shop / "recommendations.yaml"
    edited = shop / "models/silver/slv_spine.sql"
    edited.write_text(edited.read_text(encoding="utf-8") + "-- mine\n", encoding="utf-8")
    before = Recommendations.read(path)
    assert before.counts["applied"] == len(before)
    before.reject(
        "bronze.*.deduplicate.*",
        "bronze.orders.drop_copies.rows",
        "bronze.orders.derive.*",
        "bronze.orders.flag_reversals.*",
        "silver.visits.link.*",
        "silver.cards.tenure.*",
        "silver.orders.window.all_time",
        "silver.orders.measure.tariff",
        "gold.*",
    ).write(path)
    written, obeyed = generate_project(shop)
    assert set(written.removed) >= {
        "models/silver/slv_visits_windows.sql",
        "models/silver/slv_cards_windows.sql",
        "models/silver/slv_returns_windows.sql",
    }
    assert written.beside == ["models/silver/slv_spine.sql"]  # returns are activity now
    assert "-- mine" in edited.read_text(encoding="utf-8")
    (shop / "models/silver/slv_spine.sql.new").replace(edited)
    assert not [name for name in obeyed.missed if "gold" in name]
    built(shop)
    columns = [name for (name,) in rows(shop, "select column_name from (describe gold.gld_customer_features)")]
    assert columns
    assert not [n for n in columns if "all_time" in n or n.startswith(("visits", "cards", "returns", "orders_tariff"))]
    assert generate_project(shop)[0].written == []


@pytest.mark.parametrize("kind", ["labels", "target"])
def test_looking_again_at_the_same_files_changes_nothing(tmp_path, kind) -> None:
    if kind == "labels":
        files, told = [tmp_path / "visits.csv"], Told(horizon="30d", labels=str(tmp_path / "labels.csv"))
        made = world(customers=120)
        made.write_visits(files[0])
        made.write_labels(tmp_path / "labels.csv")
    else:
        files, told = [table_file(tmp_path)], Told(target="Churn")
    home = tmp_path / "project"
    found = look([DataArgument(path) for path in files], told, home)
    create_project(home, found, Recommendations.from_findings(found).accept_all())
    before = texts(home)
    merged, changes = recommend_project(home, look=partial(look_again, folder=home))
    assert not (changes.new or changes.vanished or changes.gone)
    assert merged.counts["applied"] == len(merged)
    written, obeyed = generate_project(home)
    assert obeyed.missed == {}
    assert not (written.written or written.beside or written.removed)
    assert texts(home) == before


def test_the_command_line_decides_and_generates(tmp_path, monkeypatch, capsys) -> None:
    run = partial(retention, monkeypatch, capsys)
    files = shop_files(tmp_path / "data", orders=1200)
    home = tmp_path / "shop"
    code, out, err = run("init", home, "--data", *files, "--entity", "customer_id", "--horizon", "30d")
    assert code == 0, err
    assert "more are proposed" in out
    code, out, err = run(
        "recommend",
        "--project-dir",
        home,
        "--accept",
        "bronze.orders.fold_case.*",
        "--reject",
        "silver.*.window.all_time",
    )
    assert code == 0, err
    assert "1 accepted, and not in the code yet" in out
    (home / "models/gold/gld_customer_features.sql").write_text("select 1 as mine\n")
    code, out, err = run("generate", "--project-dir", home, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert "models/bronze/shop/brz_shop__orders__checked.sql" in told["written"]
    assert told["edited"] == ["models/gold/gld_customer_features.sql"]
    assert told["missed"] == {}
    assert "_all_time" not in (home / "models/gold/_gold__features.yml").read_text(encoding="utf-8")
    profile = home / "docs" / "profile" / "findings.yaml"
    before = profile.read_bytes()
    profile.unlink()
    code, out, err = run("recommend", "--project-dir", home, "--refresh", "--json")
    assert code == 0, err
    assert profile.read_bytes() == before
    again = {entry["id"]: entry["status"] for entry in json.loads(out)["recommendations"]}
    assert again["silver.orders.window.all_time"] == "rejected"
    assert again["bronze.orders.fold_case.product_code"] == "applied"
    assert json.loads(out)["new"] == json.loads(out)["vanished"] == []
    code, _, err = run("recommend", "--project-dir", home, "--accept", "silver.nothing")
    assert code == 2
    assert "There is no proposal" in err
    code, _, err = run("generate", "--project-dir", tmp_path)
    assert code == 2
    assert "retention init" in err
