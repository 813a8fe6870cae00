"""Writing a project, first and again: edits are never overwritten, and nothing is written outside of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from python_ml.errors import UserError
from python_ml.generate import check_folder, refresh_raw
from python_ml.generate.package import package_files
from python_ml.generate.writing import MANIFEST, create, renew

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
        assert not (done.written or done.conflicts or done.edited or done.removed or done.kept)
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
            assert done.conflicts == ["models/a.sql"]
            assert (project / "models/a.sql").read_text() == "select 99 -- mine\n"
            assert (project / "models/a.sql.new").read_text() == "select 10\n"
        done = renew(project, {**FILES, "models/a.sql": "select 11\n"})
        assert (project / "models/a.sql.new").read_text() == "select 11\n"
        (project / "models/a.sql.new").unlink()  # merged
        done = renew(project, {**FILES, "models/a.sql": "select 11\n"})
        assert (done.edited, done.conflicts) == (["models/a.sql"], [])
        assert not (project / "models/a.sql.new").exists()

    def test_taking_the_new_version_over_ends_the_matter(self, project) -> None:
        (project / "models/a.sql").write_text("select 99 -- mine\n")
        newer = {**FILES, "models/a.sql": "select 10\n"}
        renew(project, newer)
        (project / "models/a.sql").write_text("select 10\n")
        assert renew(project, newer).conflicts == []
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
        assert (done.removed, done.kept) == (["models/gone.sql"], ["models/b.sql"])
        assert not (project / "models/gone.sql").exists()
        assert (project / "models/b.sql").read_text() == "select 2 -- mine\n"
        # It comes back: the file there is not ours any more.
        done = renew(project, FILES)
        assert done.conflicts == ["models/b.sql"]
        assert (project / "models/b.sql").read_text() == "select 2 -- mine\n"

    def test_a_deleted_file_comes_back_and_a_file_of_ones_own_stays(self, project) -> None:
        (project / "models/a.sql").unlink()
        (project / "models/own.sql").write_text("select 7\n")
        done = renew(project, {**FILES, "models/own.sql": "select 8\n"})
        assert (done.written, done.conflicts) == (["models/a.sql"], ["models/own.sql"])
        assert (project / "models/own.sql").read_text() == "select 7\n"

    def test_other_line_ends_are_no_edit(self, project) -> None:
        (project / "models/a.sql").write_bytes(b"select 1\r\n")
        assert renew(project, {**FILES, "models/a.sql": "select 10\n"}).written == ["models/a.sql"]

    def test_without_a_list_of_generated_files_nothing_is_touched(self, project) -> None:
        (project / MANIFEST).unlink()
        with pytest.raises(UserError, match="list of generated files is missing"):
            renew(project, FILES)

    def test_a_list_of_the_first_version_is_read(self, project) -> None:
        lists = json.loads((project / MANIFEST).read_text())
        first = {"version": 1, "files": lists["files"], "beside": lists["conflicts"]}
        (project / MANIFEST).write_text(json.dumps(first))
        renew(project, FILES)
        assert json.loads((project / MANIFEST).read_text()) == lists

    def test_a_list_that_points_outside_is_refused(self, project) -> None:
        lists = json.loads((project / MANIFEST).read_text())
        lists["files"]["../../elsewhere.sql"] = "0"
        (project / MANIFEST).write_text(json.dumps(lists))
        with pytest.raises(UserError, match="outside"):
            renew(project, FILES)

    def test_a_link_that_leads_out_of_the_project_is_not_followed(self, project, tmp_path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a.sql").write_text("not ours\n")
        (project / "models/a.sql").unlink()
        (project / "models/a.sql").symlink_to(outside / "a.sql")
        with pytest.raises(UserError, match="outside"):
            renew(project, {**FILES, "models/a.sql": "select 10\n"})
        (project / "models/a.sql").unlink()
        (project / "linked").symlink_to(outside)
        with pytest.raises(UserError, match="outside"):
            renew(project, {**FILES, "linked/new.sql": "select 10\n"})
        assert [p.name for p in outside.iterdir()] == ["a.sql"]
        assert (outside / "a.sql").read_text() == "not ours\n"


class TestCreation:
    def test_a_folder_with_files_is_refused(self, tmp_path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("")
        (tmp_path / "file").write_text("")
        check_folder(tmp_path / "new")
        for name, message in (("full", "not empty"), ("file", "name of a file")):
            with pytest.raises(UserError, match=message):
                create(tmp_path / name, FILES, {})
        assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]

    def test_a_folder_that_cannot_be_written_is_one_message(self, tmp_path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot be written"):
            create(tmp_path / "file" / "project", FILES, {})

    def test_converted_files_and_the_package_come_along(self, tmp_path) -> None:
        (tmp_path / "made.parquet").write_bytes(b"raw")
        create(tmp_path / "project", {**FILES, **package_files()}, {}, {"orders": tmp_path / "made.parquet"})
        assert (tmp_path / "project/raw/orders.parquet").read_bytes() == b"raw"
        assert (tmp_path / "project/dbt_packages/customer_retention/macros/temporal/spine.sql").is_file()


def test_a_converted_file_is_made_again_when_its_source_changed(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    project = tmp_path / "project"
    (project / "raw").mkdir(parents=True)
    (project / ".retention").mkdir()
    file = tmp_path / "data" / "orders.json"
    file.write_text('[{"id": "1"}]')
    conversion = {"format": "json", "options": {"columns": ["id"], "lines": False}, "sha256": ""}
    tables = [{"table": {"name": "orders", "conversion": conversion}}, {"table": {"name": "other", "conversion": None}}]
    profile = {"raw_dir": "../data", "paths": {"orders": "orders.json"}, "profile": {"tables": tables}}
    (project / ".retention/profile.json").write_text(json.dumps(profile))
    assert refresh_raw(project) == [project.resolve() / "../data/orders.json"]
    assert refresh_raw(project) == []
    file.write_text('[{"id": "1"}, {"id": "2"}]')
    assert len(refresh_raw(project)) == 1
    assert refresh_raw(tmp_path / "data") == []
