"""Which value of a target means leaving: by its words, by what the user says, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from python_ml.errors import UserError
from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.reading import scratch_connection
from python_ml.onboarding.target import NOT_CHURN, TargetSpec, examine_target
from tests.python.undated import customers


def target(folder: Path, name: str, values: list[str], positive: str | None = None) -> TargetSpec:
    """Examine a target with these values, each the more often the earlier it stands."""
    path = folder / "table.csv"
    cells = [value for place, value in enumerate(values) for _ in range(10 * (len(values) - place))]
    path.write_text(f"customer_id,{name},x\n" + "".join(f"C{n:03d},{v},{n % 7}\n" for n, v in enumerate(cells)))
    with scratch_connection() as connection:
        (profile,) = examine(connection, [DataArgument(path)])
        return examine_target(connection, profile, profile.column(name), positive)


@pytest.mark.parametrize(
    ("name", "values", "leaving", "flag"),
    [
        ("Churn", ["No", "Yes"], "yes", None),
        ("churned", ["0", "1"], "1", None),
        ("Exited", ["0.0", "1.0"], "1", None),
        ("Attrition_Flag", ["Existing Customer", "Attrited Customer"], "attrited customer", None),
        ("status", ["active", "cancelled"], "cancelled", None),
        ("Churn?", ["False.", "True."], "true.", None),
        ("retained", ["1", "0"], "0", NOT_CHURN),
        ("is_active", ["true", "false"], "false", NOT_CHURN),
        ("Renewed", ["Y", "N"], "n", NOT_CHURN),
        ("not_retained", ["0", "1"], "1", None),
        ("outcome", ["stayed", "left"], "left", None),
    ],
)
def test_words_say_which_value_means_leaving(tmp_path, name, values, leaving, flag):
    found = target(tmp_path, name, values)
    assert found.leaving == (leaving,)
    assert found.flag == flag
    assert bool(found.doubt) == bool(flag)
    if flag:
        assert found.doubt.startswith("positive class is not churn")
        assert "--positive" in found.doubt
    assert found.left + sum(found.counts[v] for v in found.staying) == found.known == 30


def test_a_name_without_meaning_is_a_doubt(tmp_path):
    found = target(tmp_path, "y", ["0", "1"])
    assert found.leaving == ("1",)
    assert found.flag is None
    assert "`y`" in found.doubt
    assert "--positive" in found.doubt


def test_positive_overrules_and_a_contradiction_is_told(tmp_path):
    found = target(tmp_path, "retained", ["1", "0"], positive="1")
    assert found.leaving == ("1",)
    assert found.flag == NOT_CHURN
    assert "says staying" in found.doubt
    agreed = target(tmp_path, "retained", ["1", "0"], positive="0")
    assert agreed.leaving == ("0",)
    assert agreed.doubt is None


def test_several_values_need_to_be_told_and_then_one_stands_against_all_others(tmp_path):
    with pytest.raises(UserError, match="not binary") as refused:
        target(tmp_path, "status", ["open", "paused", "churned"])
    assert all(value in str(refused.value) for value in ("'open' (30)", "'paused' (20)", "'churned' (10)"))
    assert "--positive" in refused.value.hint
    found = target(tmp_path, "status", ["open", "paused", "churned"], positive="Churned")
    assert found.leaving == ("churned",)
    assert found.staying == ("open", "paused")


@pytest.mark.parametrize(
    ("values", "positive", "message"),
    [
        (["1"], None, "single value: '1'"),
        (["a", "b"], None, "Nothing tells which value"),
        ([f"v{n}" for n in range(30)], None, "too many different values"),
        (["0", "1"], "yes", "No row has the value 'yes'"),
    ],
)
def test_what_cannot_be_a_target_is_refused_with_its_values(tmp_path, values, positive, message):
    with pytest.raises(UserError, match=message) as refused:
        target(tmp_path, "churn", values, positive)
    assert "column churn" in refused.value.where
    assert refused.value.hint


def test_on_a_terminal_init_asks_which_value_means_leaving(tmp_path):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    path = customers(
        tmp_path / "people.csv", rows=300, retained=lambda n, left, draw: int(not left), Churn=lambda *_: ""
    )
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"1\ny\n")
    try:
        asked = subprocess.run(
            [
                *(sys.executable, "-m", "python_ml", "init", "shop"),
                "--data",
                str(path),
                "--target",
                "retained",
                "--json",
            ],
            cwd=tmp_path,
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert asked.returncode == 0, asked.stderr
    assert "Which value of `retained` means that a customer has left?" in asked.stderr
    found = json.loads(asked.stdout)["findings"]["target"]
    assert found["churned_when"] == ["1"]
    assert found["flag"] == NOT_CHURN
