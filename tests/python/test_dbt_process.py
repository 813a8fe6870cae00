"""One process of dbt that takes several commands; a project of two models stands for all."""

from __future__ import annotations

import traceback
from pathlib import Path

import duckdb
import pytest

from python_ml import dbt
from python_ml.cli.options import Console
from python_ml.dbt import DatabaseCopy, dbt_process, run_dbt, run_dbt_on_copies
from python_ml.errors import GateError, RetentionError, UserError, raised_in
from python_ml.project import Project

FILES = {
    "dbt_project.yml": "name: words\nprofile: words\nflags: {send_anonymous_usage_stats: false}\nvars: {word: own}\n",
    "profiles.yml": "words: {target: dev, outputs: {dev: {type: duckdb, "
    "path: \"{{ env_var('RETENTION_DUCKDB_PATH') }}\"}}}",
    "models/base.sql": "{{ config(materialized='ephemeral') }}\nselect '{{ var(\"word\") }}' as word",
    "models/said.sql": "{{ config(materialized='table') }}\nselect word from {{ ref('base') }}",
}


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("RETENTION_DUCKDB_PATH", raising=False)
    for name, text in FILES.items():
        path = tmp_path / "words" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Project.open(tmp_path / "words")


def said(database: Path) -> str:
    """What the table holds; opens the file for writing, which fails while another process holds it."""
    with duckdb.connect(str(database)) as connection:
        return connection.execute("select word from said").fetchall()[0][0]


def test_commands_share_one_process_and_nothing_else(words: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started, real = [], dbt.DbtProcess

    def start(*arguments: object) -> dbt.DbtProcess:
        started.append(real(*arguments))
        return started[-1]

    monkeypatch.setattr(dbt, "DbtProcess", start)
    console, scratch = Console(), words.root / "scratch"
    copies = [DatabaseCopy(scratch / str(n) / "warehouse.duckdb", {"word": f"copy {n}"}) for n in range(2)]
    for copy in copies:
        copy.database.parent.mkdir(parents=True)
    with dbt_process(words, parse=True):
        assert run_dbt(words, ["run"], console) == {"success": 1}
        assert said(words.warehouse_path) == "own"
        results = (words.root / "target" / "run_results.json").read_bytes()
        run_dbt_on_copies(words, ["run"], copies, console, scratch)
        assert [said(copy.database) for copy in copies] == ["copy 0", "copy 1"]
        assert (words.root / "target" / "run_results.json").read_bytes() == results
        assert run_dbt(words, ["run"], console) == {"success": 1}
        assert said(words.warehouse_path) == "own"
        with pytest.raises(UserError, match=r"(?s)dbt could not run the project.*--nonsense"):
            run_dbt(words, ["run", "--nonsense"], console)
    assert len(started) == 1
    assert started[0]._process.returncode == 0


def test_a_project_that_does_not_parse_is_told(words: Project) -> None:
    (words.root / "models" / "said.sql").write_text("select * from {{ ref('nobody') }}", encoding="utf-8")
    with dbt_process(words, parse=True):
        for _ in range(2):  # the second command parses again
            with pytest.raises(UserError, match="nobody"):
                run_dbt(words, ["run"], Console())


def test_a_process_that_ends_says_so(words: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt, "PYTHON", ["false"])
    with pytest.raises(UserError, match=r"dbt ended with code 1\."):
        run_dbt(words, ["run"], Console())


@pytest.mark.parametrize(
    "error",
    [
        UserError("The file is wrong.", where="retention.yml, text", hint="correct `text.model`"),
        UserError("Two lines:\n    and another"),
        GateError("The gate said no.", hint="look"),
        RetentionError("It failed.", where="here"),
    ],
)
def test_an_error_of_ours_is_read_back_from_a_stack_trace(error: RetentionError) -> None:
    try:
        raise error from ValueError("python")
    except RetentionError as caught:
        trace = "".join(traceback.format_exception(caught))
    found = raised_in(f"Python model failed:\n{trace}")
    assert type(found) is type(error)
    assert (found.what, found.where, found.hint) == (error.what, error.where, error.hint)


def test_other_stack_traces_are_no_error_of_ours() -> None:
    for trace in ("ValueError: python_ml.errors", "python_ml.errors.Another: no", "python_ml.errors.UserError"):
        assert raised_in(trace) is None


def test_a_model_that_fails_is_named_without_the_macros_on_the_way(words: Project) -> None:
    contract = "{{ config(materialized='table', contract={'enforced': true}) }}\nselect 1 as word"
    (words.root / "models" / "said.sql").write_text(contract, encoding="utf-8")
    schema = "models: [{name: said, columns: [{name: word, data_type: varchar}]}]"
    (words.root / "models" / "schema.yml").write_text(schema, encoding="utf-8")
    with pytest.raises(RetentionError, match=r"said: .*data type mismatch") as refused:
        run_dbt(words, ["run"], Console())
    assert "in macro" not in refused.value.what
