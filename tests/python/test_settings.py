"""retention.yml: what it can say, and what it answers to mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from python_ml.errors import UserError
from python_ml.settings import Settings, load_settings


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "retention.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


EXPERIMENT = {
    "table": "bronze.brz_crm__offers",
    "time": "offered_at",
    "arm": "arm",
    "control": "holdout",
    "probability": 0.5,
}


def test_the_shipped_file_states_the_defaults_and_the_experiment(repository: Path) -> None:
    """Offers with a control are of the simulated business; everything else is as in any project."""
    expected = Settings.model_validate({"uplift": EXPERIMENT})
    assert load_settings(repository / "retention.yml").model_dump() == expected.model_dump()


def setting_names(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation)
        else:
            yield name


def test_every_setting_is_in_a_guide(repository: Path) -> None:
    guides = " ".join(path.read_text(encoding="utf-8") for path in (repository / "docs" / "guides").glob("*.md"))
    words = set(re.findall(r"\w+", guides))
    assert not sorted(set(setting_names(Settings)) - words)


@pytest.mark.parametrize("text", ["", "# nothing\n", "training:\n", "training:\n  models:\n    xgboost:\n"])
def test_what_is_not_said_is_default(write, tmp_path: Path, text: str) -> None:
    assert load_settings(write(text)).model_dump() == Settings().model_dump()
    assert load_settings(tmp_path / "absent.yml").model_dump() == Settings().model_dump()


def test_values_are_read(write) -> None:
    settings = load_settings(
        write(
            "training:\n"
            "  seed: 7\n"
            "  models:\n"
            "    random_forest: {enabled: false}\n"
            "    lightgbm: {parameters: {num_leaves: 9}}\n"
            "  split: {validation_from: 2024-03-01, test_from: 2024-06-01T12:00:00+02:00}\n"
            "scoring:\n  risk_bands: {high: 0.05}\n"
        )
    )
    assert settings.training.seed == 7
    assert settings.training.models.enabled == ["logistic_regression", "lightgbm", "xgboost"]
    assert settings.training.models.lightgbm.parameters == {"num_leaves": 9}
    assert settings.training.split.validation_from == datetime(2024, 3, 1)
    assert settings.training.split.test_from == datetime(2024, 6, 1, 10)
    assert settings.scoring.risk_bands.high == 0.05
    assert settings.scoring.risk_bands.medium == 0.20
    assert settings.where("training", "seed").endswith("line 2, training.seed")


MISTAKES = {
    "half an experiment": ("uplift:\n  table: bronze.offers\n", "line 1, uplift", "missing: time, arm, control"),
    "a label without values": (
        "text:\n  labels:\n    tickets.body:\n      topic: [app]\n",
        "line 4, text.labels.tickets.body.topic",
        "2 items",
    ),
    "features outside of the project": (
        "feature_store: {folder: ../features}\n",
        "line 1, feature_store.folder",
        "relative",
    ),
    "an age that is none": ("feature_store:\n  ttl: soon\n", "line 2, feature_store.ttl", "90d"),
    "no catalog": (
        "feature_store: {databricks: {location: churn}}\n",
        "feature_store.databricks",
        "catalog and schema",
    ),
    "no model to rehearse with": ("rehearsal: {models: []}\n", "line 1, rehearsal.models", "list at least 1 item"),
    "no sender": (
        "monitor:\n  alerts:\n    email: {host: a, recipients: [a@b.c]}\n",
        "line 3, monitor.alerts.email",
        "sender: this setting is required",
    ),
    "an address that is none": (
        "monitor:\n  alerts:\n    webhook: {url: 'ftp://x'}\n",
        "line 3, monitor.alerts.webhook.url",
        "write an HTTP address without a user",
    ),
    "a table without a schema": ("uplift: {table: offers}\n", "line 1, uplift.table", "such as raw.offers"),
    "labels of no column": (
        "text:\n  labels: {body: {topic: [a, b]}}\n",
        "line 2, text.labels",
        "such as tickets.body",
    ),
    "a label that is no name": (
        "text:\n  labels: {t.body: {Topic: [a, b]}}\n",
        "line 2, text.labels",
        "column names",
    ),
    "a score missing": (
        "text:\n  labels: {t.body: {tone: {values: [a, b], scores: [1]}}}\n",
        "line 2",
        "as many scores",
    ),
    "a value twice": ("text:\n  labels: {t.body: {tone: [a, A]}}\n", "line 2", "stands twice"),
    "an unknown setting of a label": (
        "text:\n  labels: {t.body: {tone: {values: [a, b], score: [1, 2]}}}\n",
        "line 2",
        "`scores`",
    ),
    "an impossible chance": ("uplift:\n  probability: 1.5\n", "line 2, uplift.probability", "between 0 and 1"),
    "an unknown learner": ("uplift:\n  learners: [magic]\n", "line 2, uplift.learners", "s_lasso"),
    "unknown key": ("training:\n  seeds: 1\n", "line 2, training.seeds", "seed"),
    "unknown model": ("training:\n  models:\n    xgbost: {}\n", "line 3, training.models.xgbost", "xgboost"),
    "unknown section": ("trainings: {}\n", "line 1, trainings", "training"),
    "wrong type": ("training:\n  seed: soon\n", "line 2, training.seed", "soon"),
    "out of range": ("\n\nscoring:\n  reasons: 0\n", "line 4, scoring.reasons", "greater than or equal to 1"),
    "wrong choice": ("training:\n  selection: {metric: accuracy}\n", "line 2, training.selection.metric", "brier"),
    "section is a number": ("training: 3\n", "line 1, training", "section"),
    "shares too large": (
        "training:\n  split:\n    test_share: 0.6\n    validation_share: 0.5\n",
        "line 2, training.split",
        "leave some history",
    ),
    "dates in the wrong order": (
        "training:\n  split: {validation_from: 2024-06-01, test_from: 2024-01-01}\n",
        "line 2, training.split",
        "before test_from",
    ),
    "nobody at low risk": ("scoring: {risk_bands: {high: 0.6, medium: 0.4}}\n", "line 1", "low risk"),
    "no model left": (
        "training:\n  models:\n"
        + "".join(f"    {m}: {{enabled: false}}\n" for m in Settings().training.models.enabled),
        "line 2, training.models",
        "at least one model",
    ),
    "repeated key": ("training:\n  seed: 1\n  seed: 2\n", "lines 2 and 3, training.seed", "twice"),
    "not YAML": ("training: [1\n", "line 2", "YAML"),
    "brackets without end": ("training: " + 3_000 * "[", "retention.yml", "YAML"),
    "a character that no text has": ("training: \0\n", "retention.yml", "YAML"),
    "a date that is none": ("training:\n  split:\n    test_from: 2024-13-45\n", "line 3", "2024-13-45"),
    "a list": ("- training\n", "line 1", "mapping"),
    "an anchor in itself": ("training: &a\n  models: *a\n", "line 1", "anchor"),
    "a key that is no text": ("1: 2\n", "line 1", "not text"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_the_line(write, name: str) -> None:
    text, where, said = MISTAKES[name]
    path = write(text)
    with pytest.raises(UserError) as caught:
        load_settings(path)
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.where
    assert where in caught.value.where
    assert said in str(caught.value)
    assert caught.value.hint


def test_all_mistakes_are_counted(write) -> None:
    with pytest.raises(UserError, match="1 more: line 4"):
        load_settings(write("training:\n  seed: x\nscoring:\n  reason: 2\n"))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "retention.yml"
    path.write_bytes(b"training: \xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        load_settings(path)
