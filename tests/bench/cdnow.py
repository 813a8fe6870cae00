"""CDNOW: "any purchase in the holdout", ranked by BG/NBD and by models on window features of the same purchases.

    python -m tests.bench.cdnow --data FOLDER

BG/NBD is fitted as its authors did (Fader, Hardie & Lee 2005): 2,357 customers, 39 weeks of calibration, 39 of holdout;
it ranks by the purchases to expect. Our models learn from the calibration alone: at earlier weeks of it, whether a
customer bought again before its end. So does the choice between them, on held-out customers. The test is the end of
week 39. The exit code is 1 when the paired 95 % interval of the difference reaches down to zero.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pandas as pd

from python_ml.dbt import Feature
from python_ml.model.bg_nbd import BgNbd, Histories
from python_ml.model.evaluate import RANKING_METRICS, compared
from python_ml.model.train import train_models
from python_ml.settings import Settings

from .commands import keep, parser

SHARED = Path(__file__).parents[3] / "shared" / "data"
END, HOLDOUT_END = "1997-10-01", "1998-07-01"
WEEKS = tuple(range(13, 36, 2))
WINDOWS = (28, 56, 91, 182)


def panel(file: Path, weeks: tuple[int, ...] = WEEKS) -> pd.DataFrame:
    """Customers at weeks of the calibration and at its end, with features of purchases before, and what came after.

    ``churned``: no purchase from then to the end of the calibration; at its end, none in the holdout.
    """
    windows = ",\n".join(
        f"count(distinct day) filter (where day < t and day >= t - interval {days} day) as days_{days}d, "
        f"coalesce(sum(dollars) filter (where day < t and day >= t - interval {days} day), 0) as dollars_{days}d"
        for days in WINDOWS
    )
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(
        """
        create table purchases as
        select cells[2] as customer_id, strptime(cells[3], '%Y%m%d')::timestamp as day, cells[4]::int as discs,
            cells[5]::double as dollars
        from (select string_split_regex(trim(line), '\\s+') as cells from read_csv(
            ?, columns = {'line': 'varchar'}, delim = '\t', quote = '', header = false))
        """,
        [str(file)],
    )
    times = [pd.Timestamp("1997-01-01") + pd.Timedelta(weeks=week) for week in weeks] + [pd.Timestamp(END)]
    connection.register("times", pd.DataFrame({"t": times}))
    return connection.execute(
        f"""
        with made as (
            select customer_id, t as feature_timestamp,
                count(distinct day) filter (where day < t) - 1 as frequency,
                date_diff('day', min(day), max(day) filter (where day < t)) as recency,
                date_diff('day', min(day), t) as age,
                date_diff('day', max(day) filter (where day < t), t) as days_since_last,
                sum(dollars) filter (where day < t) as dollars,
                sum(discs) filter (where day < t) as discs,
                max(dollars) filter (where day < t) as largest,
                arg_max(dollars, day) filter (where day < t) as last_dollars,
                arg_max(discs, day) filter (where day < t) as last_discs,
                arg_min(dollars, day) as first_dollars,
                arg_min(discs, day) as first_discs,
                {windows},
                bool_or(day >= t and day < if(t < timestamp '{END}', timestamp '{END}', timestamp '{HOLDOUT_END}'))
                    as returns
            from purchases cross join times
            group by customer_id, t
            having min(day) < t
        )
        select * exclude (returns),
            frequency / (age / 7.0 + 4) as rate,
            days_since_last / greatest(recency / greatest(frequency, 1), 7) as silence_in_gaps,
            days_since_last / age as silence_in_age,
            dollars / (frequency + 1) as mean_dollars,
            if(feature_timestamp < timestamp '{END}', timestamp '{END}', timestamp '{HOLDOUT_END}') as label_timestamp,
            (not returns)::int as churned
        from made order by feature_timestamp, customer_id
        """
    ).df()


def measure(file: Path) -> dict:
    """Figures of both at the end of week 39, and their paired difference."""
    frame = panel(file)
    known = {"customer_id", "feature_timestamp", "label_timestamp", "churned"}
    features = [
        Feature("customer_id", "key", "string"),
        Feature("feature_timestamp", "time", "timestamp"),
        *(Feature(name, "feature", "double") for name in frame if name not in known),
    ]
    at_end = frame[frame["feature_timestamp"] == END].reset_index(drop=True)
    frequency, recency, age = (at_end[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    weeks = Histories(frequency, recency / 7, (age - 1) / 7)  # their calibration ends on the last day, not after it
    model = BgNbd.fit(weeks)
    settings = Settings.model_validate({"training": {"split": {"test_from": END}}})
    result = train_models(frame, features, "customer_id", settings)
    predicted = result.predictions
    champion = predicted[(predicted["model"] == result.champion) & (predicted["split"] == "test")]
    assert list(champion["customer_id"]) == list(at_end["customer_id"])
    figures, ahead = compared(
        at_end["churned"].to_numpy(),
        {"champion": champion["probability"].to_numpy(), "bg_nbd": -model.expected_purchases(weeks, 39)},
        at_end["customer_id"].to_numpy(),
        metrics={"champion": RANKING_METRICS, "bg_nbd": RANKING_METRICS},
        replicates=2_000,
    )
    champion = {**result.metrics["champion"], "split": result.metrics["split"]["kind"]}
    return {"parameters": vars(model), "champion": champion, "figures": figures, "ahead": ahead["bg_nbd"]}


def main() -> None:
    """Measure and print."""
    command = parser("cdnow", __doc__)
    command.add_argument("--data", type=Path, default=Path(os.environ.get("RETENTION_SHARED_DATA") or SHARED))
    chosen = command.parse_args()
    found = measure(chosen.data / "cdnow" / "CDNOW_sample.txt")
    print(f"champion, chosen on held-out customers of the calibration: {found['champion']}")
    print("BG/NBD: " + ", ".join(f"{name} {value:.3f}" for name, value in found["parameters"].items()))
    for name, figures in found["figures"].items():
        area = figures["roc_auc"]
        print(f"{name}: ROC AUC {area['value']:.4f} [{area['low']:.4f}, {area['high']:.4f}]")
    ahead = found["ahead"]["roc_auc"]
    print(f"difference: {ahead['value']:+.4f} [{ahead['low']:+.4f}, {ahead['high']:+.4f}]")
    keep(found, chosen.json)
    raise SystemExit(ahead["low"] <= 0)


if __name__ == "__main__":
    main()
