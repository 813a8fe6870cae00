"""Supplied labels: which column plays which part, what follows for time, and one clear message for each mistake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import retention
from tests.python.labelled_world import DAYS, START, World, moment, world, write


@pytest.fixture(scope="module")
def small() -> World:
    return world(customers=120)


@pytest.fixture(scope="module")
def visits(small, tmp_path_factory) -> Path:
    return small.write_visits(tmp_path_factory.mktemp("events") / "visits.csv")


@pytest.fixture
def init(monkeypatch, capsys, tmp_path, visits):
    """Run `retention init` with labels into `tmp_path / "p"`: exit code, stdout, stderr."""

    def run(labels: Path, *flags: str) -> tuple[int, str, str]:
        words = ["init", tmp_path / "p", "--data", visits, "--labels", labels, *flags]
        return retention(monkeypatch, capsys, *words)

    return run


def findings(folder: Path) -> dict:
    return yaml.safe_load((folder / "p" / "findings.yaml").read_text(encoding="utf-8"))


def settings(folder: Path) -> dict:
    return yaml.safe_load((folder / "p" / "retention.yml").read_text(encoding="utf-8"))


def decided(found: dict, name: str) -> str | None:
    return found["decisions"].get(name, {}).get("value")


def test_parts_are_found_by_evidence(tmp_path, small, init):
    labels = small.write_labels(tmp_path / "labels.csv", region=lambda label: "north")
    code, _, err = init(labels, "--horizon", "30d", "--yes")
    assert code == 0, err
    found = findings(tmp_path)
    told = found["labels"]
    assert {part: entry["column"] for part, entry in told["columns"].items()} == {
        "entity": "customer_id",
        "time": "looked_at",
        "label": "churned",
    }
    assert told["churned_when"] == ["1"]
    assert told["rows"] == told["labelled"] == len(small.labels)
    assert told["customers_without_events"] == 0
    assert decided(found, "churn_definition") == "supplied"
    assert decided(found, "horizon") == "30d"
    assert decided(found, "score_at") == str(moment(DAYS - 1))
    region = next(c for f in found["files"] if f["source"] == "labels" for c in f["columns"] if c["name"] == "region")
    assert region["no_feature_because"] == "labels bring no features"
    assert not any("look ahead" in doubt for doubt in found["doubts"])


def test_windows_fit_the_history_before_the_labels(tmp_path, small, init):
    early = World(small.visits, [label for label in small.labels if label.looked_at < START + timedelta(days=100)])
    labels = early.write_labels(tmp_path / "labels.csv")
    assert init(labels, "--horizon", "30d", "--yes")[0] == 0
    assert decided(findings(tmp_path), "windows") == "7d, 30d, 90d, all_time"


def test_named_columns_a_known_time_and_a_split(tmp_path, small, init):
    labels = small.write_labels(
        tmp_path / "outcomes.csv",
        names=("who", "seen", "stayed_with_us"),
        stayed_with_us=lambda label: "no" if label.churned else "yes",
        outcome_date=lambda label: f"{label.looked_at + timedelta(days=45):%d.%m.%Y %H:%M:%S}",
        split=lambda label: "Train" if label.looked_at < START + timedelta(days=220) else "TEST",
    )
    code, _, err = init(labels, "--label-column", "entity=who", "--yes")
    assert code == 0, err
    found = findings(tmp_path)
    told = found["labels"]
    assert {part: entry["column"] for part, entry in told["columns"].items()} == {
        "entity": "who",
        "time": "seen",
        "label": "stayed_with_us",
        "known": "outcome_date",
        "split": "split",
    }
    assert told["churned_when"] == ["no"]
    assert told["flag"] == "positive class is not churn"
    assert told["split"] == {"train": ["train"], "test": ["test"]}
    assert decided(found, "label_time") == "outcome_date"
    assert decided(found, "horizon") is None
    assert settings(tmp_path)["training"]["split"]["column"] == "supplied_split"


def test_without_a_horizon_the_label_time_is_called_unknown(tmp_path, small, init):
    labels = small.write_labels(tmp_path / "labels.csv")
    code, _, err = init(labels, "--yes")
    assert code == 0, err
    found = findings(tmp_path)
    assert decided(found, "label_time") == "feature_timestamp"
    assert any("nothing says how far the labels look ahead" in doubt for doubt in found["doubts"])
    gold = (tmp_path / "p/models/gold/_gold__features.yml").read_text(encoding="utf-8")
    assert "nothing says how far the label looks ahead" in " ".join(gold.split())


def test_split_dates_go_to_the_settings(tmp_path, small, init):
    labels = small.write_labels(tmp_path / "labels.csv")
    flags = ["--horizon", "30d", "--val-from", "2023-07-01", "--test-from", "2023-09-01", "--yes"]
    code, _, err = init(labels, *flags)
    assert code == 0, err
    split = settings(tmp_path)["training"]["split"]
    assert str(split["validation_from"]) == "2023-07-01 00:00:00"
    assert str(split["test_from"]) == "2023-09-01 00:00:00"


def test_labels_of_one_time_are_measured_by_cross_validation(tmp_path, small, init):
    one = World(small.visits, [replace(label, looked_at=moment(200)) for label in small.labels[::3]])
    rows = {label.customer_id: (label.customer_id, label.looked_at, label.churned) for label in one.labels}
    labels = write(tmp_path / "labels.csv", ["customer_id", "looked_at", "churned"], list(rows.values()))
    code, _, err = init(labels, "--horizon", "30d", "--yes")
    assert code == 0, err
    found = findings(tmp_path)
    assert decided(found, "split") == found["scenario"]["measured_by"] == "cross-validation"
    assert settings(tmp_path)["training"]["split"]["test_from"] is None
    project = yaml.safe_load((tmp_path / "p/dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"]["scenario"] == "production"


def test_strangers_and_rows_outside_the_events_are_counted(tmp_path, small, init):
    rows = [(label.customer_id, label.looked_at, label.churned) for label in small.labels]
    rows += [("nobody", moment(100), 0), ("C0001", START - timedelta(days=9), 0), ("C0002", moment(DAYS + 20), 1)]
    labels = write(tmp_path / "labels.csv", ["customer_id", "looked_at", "churned"], [*rows, rows[0]])
    code, _, err = init(labels, "--horizon", "30d", "--yes")
    assert code == 0, err
    found = findings(tmp_path)
    doubts = "\n".join(found["doubts"])
    assert "1 of " in doubts
    assert "have no event in visits" in doubts
    assert "lie before the first event" in doubts
    assert "lie more than a day after the last event" in doubts
    assert found["labels"]["customers_without_events"] == 1
    assert any("1 rows repeat a customer and a time" in trap for trap in found["traps"])


MISTAKES = {
    "no customer": ({"customer_id": None}, [], "No column of the labels says which customer"),
    "no time": ({"looked_at": None}, [], "No column of the labels says as of when"),
    "no label": ({"churned": None}, [], "No column of the labels says the outcome"),
    "three values": ({"churned": lambda row, i: i % 3}, [], "is not binary"),
    "a probability": ({"churned": lambda row, i: i / 1000}, [], "too many different values"),
    "one value": ({"churned": lambda row, i: 0}, [], "a single value"),
    "strangers only": ({"customer_id": lambda row, i: f"X{i}"}, [], "None of the"),
    "other years": ({"looked_at": lambda row, i: f"2019-01-{1 + i % 28:02d}"}, [], "lies within the events"),
    "no times": ({"looked_at": lambda row, i: "soon"}, ["--label-column", "time=looked_at"], "dates or times"),
    "unknown column": ({}, ["--label-column", "label=left"], "have no column `left`"),
    "unknown part": ({}, ["--label-column", "outcome=churned"], "names no part of the labels"),
    "twice": ({}, ["--label-column", "time=looked_at", "--label-column", "time=churned"], "a second time"),
    "no date": ({}, ["--test-from", "soon"], "`soon` is no date"),
    "validation after test": (
        {},
        ["--val-from", "2023-09-01", "--test-from", "2023-07-01"],
        "does not begin before the test",
    ),
    "test after all": ({}, ["--test-from", "2031-01-01"], "The test part has no labelled row"),
    "nothing to learn from": ({}, ["--test-from", "2022-01-01"], "The train part has no labelled row"),
    "strange split": ({"split": lambda row, i: "ab"[i % 2]}, ["--label-column", "split=split"], "holds 'a', 'b'"),
    "split twice": (
        {"split": lambda row, i: ("train", "test")[i % 2]},
        ["--label-column", "split=split", "--test-from", "2023-08-01"],
        "given twice",
    ),
    "gap alone": ({}, ["--gap", "7d"], "without a horizon"),
    "both": ({}, ["--target", "churned"], "not both"),
    "early outcome": (
        {"known": lambda row, i: "2023-01-01"},
        ["--label-column", "known=known"],
        "does not say when each outcome was known",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_has_one_clear_message(mistake, tmp_path, small, init):
    changed, flags, message = MISTAKES[mistake]
    rows = [
        {"customer_id": label.customer_id, "looked_at": f"{label.looked_at:%Y-%m-%d}", "churned": label.churned}
        for label in small.labels
    ]
    for number, row in enumerate(rows):
        for name, make in changed.items():
            if make is None:
                del row[name]
            else:
                row[name] = make(row, number)
    labels = write(tmp_path / "labels.csv", list(rows[0]), [list(row.values()) for row in rows])
    code, _, err = init(labels, *flags, "--yes")
    assert code == 2, err
    assert message in err
    assert err.count("Error:") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "p").exists()


def test_rows_that_disagree_are_refused(tmp_path, small, init):
    rows = [(label.customer_id, label.looked_at, label.churned) for label in small.labels]
    who, when, left = rows[0]
    labels = write(tmp_path / "labels.csv", ["customer_id", "looked_at", "churned"], [*rows, (who, when, 1 - left)])
    code, _, err = init(labels, "--yes")
    assert code == 2
    assert f"disagree, such as {who} at {when}" in err


@pytest.mark.parametrize("flag", [["--label-column", "time=t"], ["--val-from", "2023-01-01"], ["--positive", "1"]])
def test_flags_of_labels_need_labels(flag, tmp_path, visits, monkeypatch, capsys):
    code, _, err = retention(monkeypatch, capsys, "init", tmp_path / "p", "--data", visits, *flag)
    assert code == 2
    assert "says nothing without" in err
