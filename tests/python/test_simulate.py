"""The simulated world: same bytes, known truth, and exactly the defects that its manifest counts."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from python_ml.errors import UserError
from python_ml.simulate import SMALL_WORLD, World, text, text_columns, write_world, writing
from python_ml.simulate.behaviour import HOLDOUT, OFFER, Block, simulate_block
from python_ml.simulate.calibration import fit_cloglog, month_outcomes
from python_ml.simulate.schema import EVENT_AT, TABLES
from python_ml.simulate.tables import make_tables
from python_ml.simulate.world import BLOCK, DRIVERS, SEGMENTS, TONES, TOPICS, month_terms
from tests.python.command_line import command_here

KEYS = {name: columns[0] for name, columns in TABLES.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The committed world, written anew."""
    out = tmp_path_factory.mktemp("small") / "world"
    write_world(SMALL_WORLD, out, "csv")
    return out


@pytest.fixture(scope="module")
def raw(small) -> dict[str, pd.DataFrame]:
    """Its tables as text, empty values as None."""
    return {
        name: pd.read_csv(small / f"{name}.csv", dtype=str, keep_default_na=False).replace("", None) for name in TABLES
    }


@pytest.fixture(scope="module")
def manifest(small) -> dict:
    return yaml.safe_load((small / "world.yaml").read_text())


@pytest.fixture(scope="module")
def default_world() -> tuple[World, list[Block]]:
    """The default world, four times as many customers."""
    world = World(customers=4 * BLOCK)
    return world, [simulate_block(world, number) for number in range(world.blocks)]


def times(frame: pd.DataFrame, column: str) -> pd.Series:
    return pd.to_datetime(frame[column], format="%Y-%m-%d %H:%M:%S", errors="coerce")


# The same arguments, the same bytes


def test_committed_seeds_are_the_small_world(small, repository):
    for name in TABLES:
        committed = (repository / "seeds" / f"{name}.csv").read_bytes()
        assert committed == (small / f"{name}.csv").read_bytes(), f"seeds/{name}.csv is not the small world"


def test_small_world_is_small(manifest, repository):
    assert sum(manifest["rows"].values()) <= 28_500
    assert sum(path.stat().st_size for path in (repository / "seeds").glob("*.csv")) < 2_500_000


def test_seed_descriptions_name_every_column(repository):
    seeds = yaml.safe_load((repository / "seeds" / "_seeds.yml").read_text())["seeds"]
    assert {seed["name"]: tuple(column["name"] for column in seed["columns"]) for seed in seeds} == TABLES
    for seed in seeds:
        config, columns = seed["config"], TABLES[seed["name"]]
        assert set(config["column_types"]) == set(columns)
        assert all(column["description"] for column in seed["columns"])
        time = config["meta"]["time"]
        named = [time["event_at"], time.get("available_at")]
        for rule in time.get("later", []):
            named += [*rule["columns"], rule["known_at"]]
        assert set(filter(None, named)) <= set(columns)
        assert ("available_at" in columns) == ("available_at" in time)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_another_process_writes_the_same_bytes(tmp_path, file_format):
    world = World(customers=BLOCK + 40, months=3, seed=3, start=date(2023, 6, 1))
    write_world(world, tmp_path / "here", file_format)
    arguments = ["simulate", "--customers", "5040", "--months", "3", "--seed", "3", "--start", "2023-06-01"]
    subprocess.run(
        [sys.executable, "-m", "python_ml", *arguments, "--format", file_format, "--out", tmp_path / "there"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "99", "OMP_NUM_THREADS": "1"},
    )
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted([*(f"{name}.{file_format}" for name in TABLES), "world.yaml"])
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


def test_a_block_needs_no_other():
    """A block is a function of the seed and its number: not of the blocks before it, nor of how many follow."""
    large, larger = (World(customers=BLOCK + more, months=4, seed=5) for more in (30, 2 * BLOCK))
    alone = make_tables(large, simulate_block(large, 0), 0)
    assert alone.tables == make_tables(larger, simulate_block(larger, 0), 0).tables
    last = make_tables(large, simulate_block(large, 1), 1)
    assert last.tables == make_tables(large, simulate_block(large, 1), 1).tables
    ids = [table["order_id"].unique().to_pylist() for table in (t.tables["raw_app__orders"] for t in (alone, last))]
    assert not set(ids[0]) & set(ids[1])


def test_another_seed_is_another_world(tmp_path):
    for seed in (1, 2):
        write_world(World(customers=20, months=3, seed=seed), tmp_path / str(seed))
    first, second = (tmp_path / seed / "raw_app__customers.csv" for seed in "12")
    assert first.read_bytes() != second.read_bytes()


def test_csv_and_parquet_hold_the_same_values(tmp_path):
    world = World(customers=60, months=6, seed=9)
    for file_format in ("csv", "parquet"):
        write_world(world, tmp_path / file_format, file_format)
    for name in TABLES:
        as_csv = pd.read_csv(tmp_path / "csv" / f"{name}.csv", dtype=str, keep_default_na=False)
        as_parquet = pq.read_table(tmp_path / "parquet" / f"{name}.parquet")
        assert all(kind == pa.string() for kind in as_parquet.schema.types)
        pd.testing.assert_frame_equal(as_csv, as_parquet.to_pandas().fillna(""), check_dtype=False)


# The manifest counts what is in the files


def test_rows_as_counted(raw, manifest):
    assert manifest["rows"] == {name: len(frame) for name, frame in raw.items()}


def test_planted_counts_are_exact(raw, manifest):
    defects = manifest["defects"]
    for name in ("raw_app__customer_changes", "raw_app__price_changes", "raw_app__orders", "raw_support__tickets"):
        frame, key = raw[name], KEYS[name]
        delay = times(frame, "available_at") - times(frame, EVENT_AT[name])
        first = ~frame.duplicated(key)
        plausible = delay.abs() < pd.Timedelta("30d")  # not the years 1900 and 2199
        assert defects[name]["late"] == (first & plausible & (delay > pd.Timedelta("1h"))).sum()
        exact = frame.duplicated()
        assert defects[name]["exact_copy"] == exact.sum()
        assert defects[name]["resent_copy"] == (~first & ~exact).sum()

    orders, counts = raw["raw_app__orders"].drop_duplicates("order_id"), defects["raw_app__orders"]
    at, amount = times(orders, "ordered_at"), orders["amount"].astype(float)
    assert counts["missing_customer_id"] == orders["customer_id"].isna().sum()
    assert counts["missing_amount"] == amount.isna().sum()
    assert counts["unreadable_ordered_at"] == at.isna().sum()
    assert counts["implausible_ordered_at"] == at.dt.year.isin([1900, 2199]).sum()
    assert counts["negative_amount"] == (amount < 0).sum()
    assert counts["huge_amount"] == (amount > 10_000).sum()
    assert counts["implausible_items"] == (~orders["items"].astype(int).between(1, 100)).sum()
    buyers = set(orders["customer_id"].dropna())
    assert counts["customers_without_orders"] == (~raw["raw_app__customers"]["customer_id"].isin(buyers)).sum()

    tickets, counts = raw["raw_support__tickets"], defects["raw_support__tickets"]
    assert counts["missing_satisfaction"] == tickets["satisfaction"].isna().sum()
    tickets = tickets.drop_duplicates("ticket_id")
    assert counts["missing_body"] == tickets["body"].isna().sum()
    assert counts["unreadable_opened_at"] == times(tickets, "opened_at").isna().sum()
    scores = tickets["satisfaction"].dropna().astype(int)
    assert counts["implausible_satisfaction"] == (~scores.between(1, 5)).sum()

    customers, counts = raw["raw_app__customers"], defects["raw_app__customers"]
    born = customers["birth_year"].astype(float)
    assert counts["missing_birth_year"] == born.isna().sum()
    assert counts["implausible_birth_year"] == (~born.dropna().between(1900, 2020)).sum()
    assert counts["filled_account_closed_reason"] == customers["account_closed_reason"].notna().sum()
    for name in ("raw_app__customers", "raw_app__customer_changes"):
        country = raw[name].drop_duplicates(KEYS[name])["country"]
        assert defects[name]["untidy_country"] == (~country.str.fullmatch("[A-Z]{2}")).sum()

    subscriptions = raw["raw_app__subscriptions"]
    delay = times(subscriptions, "ended_recorded_at") - times(subscriptions, "ended_at")
    assert defects["raw_app__subscriptions"]["late_end"] == (delay > pd.Timedelta("12h")).sum()
    assert delay.min() >= pd.Timedelta(0)
    assert delay.max() <= pd.Timedelta("4d")


def test_every_trap_is_sprung(manifest):
    for name, counts in manifest["defects"].items():
        for defect, count in counts.items():
            if defect not in ("not_yet_arrived", "end_not_yet_recorded"):
                assert count > 0, (name, defect)


def test_nothing_is_known_after_the_end(raw):
    end = pd.Timestamp(SMALL_WORLD.end)
    for name, frame in raw.items():
        for column in ("available_at", "signed_up_at", "updated_at", "started_at", "ended_at", "ended_recorded_at"):
            if column in frame:
                assert (times(frame, column).dropna() < end).all(), (name, column)
    for name, column in EVENT_AT.items():
        known = times(raw[name], column)
        assert (known[known.dt.year < 2100] < end).all(), name


def test_references_hold(raw):
    customers = set(raw["raw_app__customers"]["customer_id"])
    assert len(customers) == SMALL_WORLD.customers
    for name, frame in raw.items():
        assert set(frame["customer_id"].dropna()) <= customers, name
    pairs = {tuple(pair) for pair in raw["raw_app__subscriptions"][["subscription_id", "customer_id"]].to_numpy()}
    changed = raw["raw_app__price_changes"][["subscription_id", "customer_id"]].to_numpy()
    assert {tuple(pair) for pair in changed} <= pairs
    # Nothing happens before the start or after the end of a customer's subscription.
    spans = raw["raw_app__subscriptions"].set_index("customer_id")
    start, end = times(spans, "started_at"), times(spans, "ended_at").fillna(pd.Timestamp(SMALL_WORLD.end))
    for name in ("raw_app__price_changes", "raw_app__orders", "raw_support__tickets", "raw_crm__offers"):
        frame = raw[name].dropna(subset=["customer_id"])
        at, customer = times(frame, EVENT_AT[name]), frame["customer_id"]
        readable = at.dt.year.between(2024, 2025)
        assert (at > customer.map(start))[readable].all(), name
        assert (at < customer.map(end))[readable].all(), name


def test_current_state_is_the_last_known_change(raw):
    tidy = {"country": lambda values: values.str.strip().str.upper()}
    changes = raw["raw_app__customer_changes"].drop_duplicates("change_id").sort_values("changed_at")
    last = changes.groupby("customer_id").last()
    customers = raw["raw_app__customers"].set_index("customer_id").loc[last.index]
    for column in ("country", "segment", "marketing_opt_in"):
        clean = tidy.get(column, lambda values: values)
        assert (clean(customers[column]) == clean(last[column])).all(), column
    recorded = times(raw["raw_app__subscriptions"].set_index("customer_id").loc[last.index], "ended_recorded_at")
    arrived = pd.to_datetime(changes.groupby("customer_id")["available_at"].max())
    assert (times(customers, "updated_at") == np.fmax(arrived, recorded.fillna(arrived))).all()
    assert (customers["account_closed_reason"].notna() == recorded.notna()).all()


def test_prices_are_a_chain(raw):
    changes = raw["raw_app__price_changes"].drop_duplicates("price_change_id").sort_values("changed_at")
    before = changes.groupby("customer_id")["new_price"].shift()
    plans = raw["raw_app__subscriptions"].set_index("customer_id")["price_at_start"]
    expected = before.fillna(changes["customer_id"].map(plans))
    unbroken = changes["old_price"] == expected
    assert unbroken.mean() > 0.99  # a change that has not yet arrived leaves a gap


def test_last_months_drift(raw):
    orders = raw["raw_app__orders"].drop_duplicates("order_id").dropna(subset=["amount"])
    orders = orders[orders["amount"].astype(float).between(0, 1_000)]
    late = times(orders, "available_at") >= pd.Timestamp("2025-04-01")
    mean = orders["amount"].astype(float).groupby(late).mean()
    assert 1.1 < mean[True] / mean[False] < 1.35
    fresh = (orders["category"] == "fresh").groupby(late).mean()
    assert fresh[True] > fresh[False] + 0.1


# The truth


def naive_drivers(world: World, block: Block, customer: int, day: int) -> dict[str, float]:
    """The drivers of one customer at one midnight, from the lists of events: slow and independent."""

    def days_of(events, *codes):
        mine = (events[1] == customer) & (events[0] < day)
        if codes:
            mine &= np.isin(events[2], codes)
        return events[0][mine]

    joined = int(block.joined_day[customer])
    orders = days_of(block.orders)
    last_30 = (orders >= day - 30).sum()
    before = ((orders >= day - 90) & (orders < day - 30)).sum() / 2
    rises = days_of(block.price_changes, *range(1, 100))
    treated = (days_of(block.offers, OFFER) >= day - 60).any()
    segment = int(block.segment[customer])
    for when, who, _, new, _ in zip(*block.changes, strict=True):
        if who == customer and when < day:
            segment = int(new)
    return {
        "silence": min(day - (orders.max() if orders.size else joined), 60) / 15,
        "falling": min(max(math.log((1 + before) / (1 + last_30)), 0), 1.5),
        "bad_tickets": min((days_of(block.tickets, 1) >= day - 30).sum(), 2),
        "price_rise": float((rises >= day - 90).any()),
        "early": max(0, 1 - (day - joined) / 90),
        "plan_basic": float(block.plan[customer] == 0),
        "plan_premium": float(block.plan[customer] == 2),
        "channel_ads": float(block.channel[customer] == 3),
        **{f"offer_{name}": float(treated and segment == code) for code, name in enumerate(SEGMENTS)},
        "drift": float(day >= world.drift_day),
    }


def test_hazard_follows_from_observed_behaviour(default_world):
    world, blocks = default_world
    month, customer, hazard, probability, drivers = blocks[0].truth
    for row in np.linspace(0, month.size - 1, 150).astype(int):
        expected = naive_drivers(world, blocks[0], customer[row], int(world.month_starts[month[row]]))
        assert drivers[row] == pytest.approx([expected[name] for name in DRIVERS]), row
        state = drivers[row][:, None]
        assert world.hazard.daily(state)[0] == pytest.approx(hazard[row])
        assert world.hazard.month(state)[0] == pytest.approx(probability[row])


def outcomes(world: World, blocks: list[Block]) -> pd.DataFrame:
    frames = []
    for block in blocks:
        month, customer, hazard, probability, _ = block.truth
        day, churn_day = world.month_starts[month], block.churn_day[customer]
        frame = pd.DataFrame({"hazard": hazard, "probability": probability})
        frame["next_day"], frame["next_30"] = churn_day == day, (churn_day >= day) & (churn_day < day + 30)
        frames.append(frame[day + 30 <= world.days])
    return pd.concat(frames, ignore_index=True)


def within(observed: pd.Series, expected: pd.Series, errors: float = 4.0, relative: float = 0.0) -> bool:
    """Whether a number of events agrees with its probabilities, within standard errors and a relative part."""
    spread = math.sqrt((expected * (1 - expected)).sum())
    return abs(observed.sum() - expected.sum()) <= errors * spread + relative * expected.sum()


def test_daily_hazard_is_what_happens(default_world):
    frame = outcomes(*default_world)
    assert frame["hazard"].between(0, 1, inclusive="neither").all()
    assert within(frame["next_day"], frame["hazard"])
    for _, group in frame.groupby(pd.qcut(frame["hazard"], 5)):
        assert within(group["next_day"], group["hazard"])


def test_30_day_probability_is_calibrated(default_world):
    frame = outcomes(*default_world)
    assert frame["probability"].between(0, 1, inclusive="neither").all()
    assert within(frame["next_30"], frame["probability"], relative=0.02)
    for _, group in frame.groupby(pd.qcut(frame["probability"], 10)):
        assert within(group["next_30"], group["probability"], relative=0.05)


def test_oracle_and_base_rate(default_world):
    frame = outcomes(*default_world)
    assert 0.06 < frame["next_30"].mean() < 0.09
    assert 0.82 < roc_auc_score(frame["next_30"], frame["hazard"]) < 0.87
    assert 0.82 < roc_auc_score(frame["next_30"], frame["probability"]) < 0.87


def test_month_coefficients_are_where_the_fit_puts_them(default_world):
    world, _ = default_world
    drivers, churned, probability = month_outcomes(world, range(1))
    terms = month_terms(drivers.T).T
    beta = fit_cloglog(terms, churned)
    fitted = -np.expm1(-np.exp(beta[0] + terms @ beta[1:]))
    assert fitted.mean() == pytest.approx(churned.mean(), rel=0.02)
    assert np.corrcoef(np.log(fitted), np.log(probability))[0, 1] > 0.99


def test_fit_finds_known_coefficients():
    rng = np.random.default_rng(4)
    terms = rng.normal(size=(40_000, 2))
    churned = rng.random(40_000) < -np.expm1(-np.exp(-2 + terms @ [0.8, -0.4]))
    assert fit_cloglog(terms, churned.astype(float)) == pytest.approx([-2, 0.8, -0.4], abs=0.06)


def test_the_guide_states_the_hazard(repository):
    guide = (repository / "docs" / "guides" / "simulated_world.md").read_text()
    hazard = SMALL_WORLD.hazard
    rows = {
        cells[0].strip("` "): [cell.strip() for cell in cells[2:4]]
        for cells in (line.strip("| ").split("|") for line in guide.splitlines() if line.startswith("| `"))
        if len(cells) == 4
    }
    assert [float(rows[name][0]) for name in DRIVERS] == list(hazard.coefficients)
    assert [float(cells[1]) for cells in rows.values()] == list(hazard.month_coefficients)
    assert f"exp({hazard.intercept} + sum" in guide
    assert f"exp({hazard.month_intercept} + sum" in guide
    draws = guide[guide.index("| driver | 30 days after a draw |") :].split("\n\n")[0].splitlines()[2:]
    assert [float(line.split("|")[2]) for line in draws] == list(hazard.draw_coefficients)
    assert f"exp({hazard.draw_intercept} + sum" in guide
    small = f"--customers {SMALL_WORLD.customers} --months {SMALL_WORLD.months} --seed {SMALL_WORLD.seed}"
    assert f"{small} --start {SMALL_WORLD.start}" in guide


def test_true_hazard_table(raw):
    truth = raw["raw_sim__true_hazard"]
    assert not truth.duplicated(["customer_id", "as_of"]).any()
    assert truth["as_of"].str.fullmatch(r"\d{4}-\d\d-01 00:00:00").all()
    for column in ("daily_hazard", "churn_probability_30d"):
        assert truth[column].astype(float).between(0, 1, inclusive="neither").all()
    # Exactly the open subscriptions: started before, not ended before.
    spans = raw["raw_app__subscriptions"]
    start, end = times(spans, "started_at"), times(spans, "ended_at").fillna(pd.Timestamp.max)
    for as_of, group in truth.groupby("as_of"):
        moment = pd.Timestamp(as_of)
        assert set(group["customer_id"]) == set(spans["customer_id"][(start < moment) & (end >= moment)])


# Offers


def offers(default_world) -> pd.DataFrame:
    world, blocks = default_world
    frames = []
    for block in blocks:
        day, customer, arm = block.offers
        churn_day = block.churn_day[customer]
        frame = pd.DataFrame({"treated": arm == OFFER, "segment": block.segment[customer]})
        frame["plan"], frame["tenure"] = block.plan[customer], day - block.joined_day[customer]
        frame["churned"] = (churn_day >= day) & (churn_day < day + 60)
        assert set(np.unique(arm)) == {HOLDOUT, OFFER}
        frames.append(frame[day + 60 <= world.days])
    return pd.concat(frames, ignore_index=True)


def test_arms_are_balanced(default_world):
    drawn = offers(default_world)
    assert abs(drawn["treated"].mean() - 0.5) < 4 * 0.5 / math.sqrt(len(drawn))
    for column in ("segment", "plan", "tenure"):
        treated, held = (drawn.loc[drawn["treated"] == arm, column] for arm in (True, False))
        error = math.sqrt(treated.var() / len(treated) + held.var() / len(held))
        assert abs(treated.mean() - held.mean()) < 4 * error, column


def test_offers_help_and_not_everyone_alike(default_world):
    drawn = offers(default_world)
    rate = drawn.groupby(["segment", "treated"])["churned"].mean().unstack()
    saved = 1 - rate[True] / rate[False]
    assert (saved > 0).all()
    assert saved[SEGMENTS.index("student")] > saved[SEGMENTS.index("professional")] + 0.15


def test_the_true_uplift_is_what_arms_show(default_world):
    """Predicted and observed churn within 30 days of the draw, by arm and segment."""
    world, blocks = default_world
    frames = []
    for block in blocks:
        day, customer, arm = block.offers
        without, with_offer, _ = block.offer_truth
        assert len(without) == len(day)
        assert (with_offer > 0).all() and (with_offer < without).all() and (without < 1).all()
        churn_day = block.churn_day[customer]
        frame = pd.DataFrame({"treated": arm == OFFER, "segment": block.segment[customer]})
        frame["predicted"] = np.where(arm == OFFER, with_offer, without)
        frame["churned"] = (churn_day > day) & (churn_day <= day + 30)
        frames.append(frame[day + 31 <= world.days])
    for _, group in pd.concat(frames).groupby(["treated", "segment"]):
        error = math.sqrt((group["predicted"] * (1 - group["predicted"])).mean() / len(group))
        assert abs(group["churned"].mean() - group["predicted"].mean()) < 0.01 + 3 * error


def test_true_uplift_table(raw):
    truth, drawn = raw["raw_sim__true_uplift"], raw["raw_crm__offers"]
    both = drawn.merge(truth, on=["offer_id", "customer_id"])
    assert len(both) == len(drawn)
    assert (both["offered_at"] == both["drawn_at"]).all()


# Text


def test_tone_is_in_the_words_and_in_the_score(raw):
    tickets = raw["raw_support__tickets"].dropna(subset=["satisfaction", "body"])
    tickets = tickets[tickets["satisfaction"].isin(list("12345"))]
    score = tickets["satisfaction"].astype(int)
    bad = tickets["body"].str.contains("unacceptable|disappoint|spoiled|ruined|useless|fed up|enttäuschend", case=False)
    good = tickets["body"].str.contains("wonderful|great service|perfect|merci beaucoup|bestens", case=False)
    assert score[bad].mean() < 2
    assert score[good].mean() > 4
    missing = raw["raw_support__tickets"]["satisfaction"].isna().mean()
    assert 0.2 < missing < 0.3
    assert raw["raw_support__tickets"]["body"].nunique() > 0.6 * len(raw["raw_support__tickets"])


def test_every_phrase_comes_out_whole():
    n = 20_000
    rng = np.random.default_rng(0)
    topic, tone, country = (rng.integers(size, size=n) for size in (len(TOPICS), len(TONES), 6))
    bodies = text.compose(rng, topic, tone, country).to_pylist()
    assert len(bodies) == n
    assert all(body and body == body.strip() and not set(body) & set("{}\r\n") for body in bodies)


@given(st.lists(st.tuples(st.one_of(st.none(), st.text()), st.sampled_from(["a", "", None])), max_size=8))
def test_csv_round_trip(rows):
    """Python's reader gets back what was written, whatever people type."""
    rows = [(body and body.replace("\x00", ""), name) for body, name in rows]
    rows = [(body and body.encode("utf-8", "ignore").decode(), name) for body, name in rows]
    table = pa.table(
        {"body": pa.array([row[0] for row in rows], pa.string()), "name": pa.array([r[1] for r in rows], pa.string())}
    )
    sink = object.__new__(writing._CsvSink)
    sink._file = io.BytesIO()
    sink.append(table)
    lines = list(csv.reader(io.StringIO(sink._file.getvalue().decode(), newline="")))
    assert lines == [[body or "", name or ""] for body, name in rows]


@given(st.lists(st.integers(0, 10**10), max_size=5))
def test_text_columns(values):
    values = np.array(values, dtype=np.int64)
    assert text_columns.money(values).to_pylist() == [f"{v // 100}.{v % 100:02d}" for v in values]
    seconds = values % 4_000_000_000
    expected = [str(np.datetime64(int(s), "s")).replace("T", " ") for s in seconds]
    assert text_columns.timestamps(seconds).to_pylist() == expected
    shares = values / 10**10
    printed = [float(number) for number in text_columns.probabilities(shares).to_pylist()]
    assert all(0 < number < 1 for number in printed)
    assert printed == pytest.approx(shares, abs=2e-8)


# Writing


def test_blocks_are_written_one_by_one(tmp_path):
    world = World(customers=2 * BLOCK + 10, months=3, seed=2)
    seen = []
    manifest = write_world(world, tmp_path / "w", "parquet", lambda done, rows: seen.append((done, rows)))
    assert [done for done, _ in seen] == [BLOCK, 2 * BLOCK, 2 * BLOCK + 10]
    assert seen[-1][1] == sum(manifest["rows"].values())
    orders = pq.ParquetFile(tmp_path / "w" / "raw_app__orders.parquet")
    assert orders.num_row_groups == world.blocks
    # What is held at a time does not grow with the world: a block's tables stay the size of a block.
    sizes = [orders.metadata.row_group(index).num_rows for index in range(world.blocks)]
    assert max(sizes) < 1.1 * sizes[0]


def test_parquet_from_fifty_thousand(monkeypatch, tmp_path):
    monkeypatch.setattr(writing, "PARQUET_FROM", 30)
    for customers, file_format in ((29, "csv"), (30, "parquet")):
        manifest = write_world(World(customers=customers, months=3), tmp_path / file_format)
        assert manifest["arguments"]["format"] == file_format


def test_a_failure_leaves_nothing(monkeypatch, tmp_path):
    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(writing, "make_tables", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_world(World(customers=10, months=3), tmp_path / "world")
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled(tmp_path):
    write_world(World(customers=1, months=3), tmp_path)
    assert (tmp_path / "world.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"customers": 0}, "--customers"),
        ({"customers": 10**9}, "--customers"),
        ({"months": 2}, "--months"),
        ({"seed": -1}, "--seed"),
        ({"start": date(2024, 1, 15)}, "--start"),
    ],
)
def test_impossible_worlds(arguments, named):
    with pytest.raises(UserError) as caught:
        World(**arguments)
    assert caught.value.where == named
    assert caught.value.hint


def test_command_line(tmp_path):
    arguments = ["--customers", "30", "--months", "4", "--out", str(tmp_path / "w"), "--json"]
    done = command_here(tmp_path, "simulate", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["raw_app__customers"] == 30
    assert "30 of 30 customers" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--customers", "0", "--out", "{tmp}/w"], "customers cannot be 0"),
        (["--start", "2024-01-15", "--out", "{tmp}/w"], "first day of a month"),
        (["--out", "{tmp}"], "not empty"),
        (["--out", "{tmp}/file"], "file of that name"),
        (["--out", "{tmp}/file/below"], "cannot be made"),
        (["--out", "{tmp}/w", "--format", "xlsx"], "xlsx"),
        ([], "--out"),
    ],
)
def test_mistakes_end_with_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "file").write_text("mine")
    done = command_here(tmp_path, "simulate", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
