"""Mistakes of a user of `retention init`: exit code 2 and one clear message."""

from __future__ import annotations

import pytest

from tests.python.command_line import retention
from tests.python.raw_shop import events


class TestMistakes:
    """Exit code 2, one message that says what, where and how to fix it, and nothing written."""

    def refused(self, monkeypatch, capsys, tmp_path, *arguments: object) -> str:
        project = tmp_path / "project"
        before = sorted(tmp_path.rglob("*"))
        code, out, err = retention(monkeypatch, capsys, "init", project, *arguments)
        assert code == 2, err
        assert err.count("Error:") == 1
        assert "where:" in err
        assert "hint:" in err
        assert "Traceback" not in err + out
        assert sorted(tmp_path.rglob("*")) == before
        return err

    def test_missing_file(self, monkeypatch, capsys, tmp_path):
        assert "no such file" in self.refused(monkeypatch, capsys, tmp_path, "--data", tmp_path / "none.csv")

    def test_folder_for_a_file(self, monkeypatch, capsys, tmp_path):
        (tmp_path / "data").mkdir()
        assert "a folder, not a file" in self.refused(monkeypatch, capsys, tmp_path, "--data", tmp_path / "data")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"customer_id,ordered_at\n", "a header but no rows"),
            (
                "customer_id,ordered_at\n1,2024-01-01\nMüller,2024-01-02\n".encode() + b"\xfc,2024-01-03\n",
                "mixes encodings",
            ),
            (b"customer_id,\x00\x01\x02\n", "not readable text"),
            (b"customer_id,segment\nC1,a\nC2,b\nC1,b\n", "No file has a time column"),
            (b"customer_id,ordered_at\nC1,soon\nC2,later\nC1,never\n", "cannot be read as dates or times"),
            (b"customer_id,ordered_at\nC1,2024-01-01\nC2,2024-13-45\nC1,2024-02-31\nC1,2024-02-03\n", "Only 50%"),
            (b"ordered_at,amount\n2024-01-01,1\n2024-01-02,2\n", "No column identifies the customers"),
            (b"customer_id,ordered_at\nC1,2024-01-01\nC2,2024-01-02\nC3,2024-01-03\n", "not a table of events"),
            (b"customer_id,ordered_at\nC1,2024-01-01\nC1,2024-01-02\nC3,2024-01-03,9\n", "Line 4 has 3 columns"),
        ],
    )
    def test_what_a_file_may_lack(self, monkeypatch, capsys, tmp_path, content, message):
        path = tmp_path / "orders.csv"
        path.write_bytes(content)
        error = self.refused(monkeypatch, capsys, tmp_path, "--data", path)
        assert message in error
        assert str(path) in error

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--entity", "client"], "no column `client`"),
            (["--time", "moment"], "no column `moment`"),
            (["--time", "amount"], "`amount` cannot be read as dates"),
            (["--entity", "amount", "--time", "amount"], "both the customer and the time"),
            (["--horizon", "ninety days"], "`ninety days` is not a duration"),
            (["--gap", "7"], "`7` is not a duration"),
            (["--step", "0d"], "`0d` has no length"),
            (["--active-window", "-3d"], "is not a duration"),
            (["--horizon", "400d"], "The history is too short"),
            (["--activity", "tickets"], "`tickets` is not a table of events"),
            (["--churn", "end_date"], "No file says when coverage ends"),
            (["--churn", "supplied"], "No file says which customers churned"),
            (["--positive", "yes"], "--positive means nothing without"),
            (["--as-of", "2024-01-01"], "--as-of means nothing without"),
            (["--label-column", "time=x"], "--label-column means nothing without"),
            (["--test-from", "2024-01-01"], "--test-from means nothing without"),
            (["--relate", "tickets.id=orders.id"], "no source `tickets`"),
            (["--relate", "orders"], "`orders` is not a relation"),
            (["--exclude", "tickets"], "no source `tickets`"),
            (["--exclude", "orders"], "No column identifies the customers"),
            (["--encoding", "klingon"], "no encoding `klingon`"),
            (["--outcome", "churn"], "no column `churn`"),
            (["--outcome", "amount"], "too many different values to be classes"),
            (["--labels", "nowhere.csv"], "no such file"),
        ],
    )
    def test_flags(self, monkeypatch, capsys, tmp_path, arguments, message):
        path = events(tmp_path / "orders.csv")
        assert message in self.refused(monkeypatch, capsys, tmp_path, "--data", path, *arguments)

    def test_a_file_given_twice(self, monkeypatch, capsys, tmp_path):
        path = events(tmp_path / "orders.csv")
        assert "given twice" in self.refused(monkeypatch, capsys, tmp_path, "--data", path, path)

    def test_a_project_folder_that_is_in_use(self, monkeypatch, capsys, tmp_path):
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "precious.txt").write_text("mine")
        path = events(tmp_path / "orders.csv")
        assert "exists and is not empty" in self.refused(monkeypatch, capsys, tmp_path, "--data", path)

    def test_a_project_folder_that_is_a_file(self, monkeypatch, capsys, tmp_path):
        (tmp_path / "project").write_text("mine")
        path = events(tmp_path / "orders.csv")
        assert "name of a file" in self.refused(monkeypatch, capsys, tmp_path, "--data", path)

    def test_no_data_at_all(self, monkeypatch, capsys, tmp_path):
        code, _, err = retention(monkeypatch, capsys, "init", tmp_path / "project")
        assert code == 2
        assert "--data" in err
