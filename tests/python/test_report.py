"""The report: its content, its safety, and that it names what is missing."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from python_ml.errors import UserError
from python_ml.report import ReportInputs, charts, render_report
from python_ml.report.performance import METRICS
from tests.python.report_world import HOSTILE, SECTIONS, Page, hostile_inputs, synthetic_inputs

ALLOWED_TAGS = {
    *("html", "head", "meta", "title", "link", "style", "body", "main", "nav", "header", "section"),
    *("h1", "h2", "h3", "p", "a", "b", "i", "strong", "span", "bdi", "code", "data", "div", "details", "summary"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("figure", "figcaption", "footer", "svg", "desc", "defs", "g", "use", "path", "line", "rect", "circle", "text"),
}


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return synthetic_inputs()


@pytest.fixture(scope="module")
def html(inputs: ReportInputs) -> str:
    return render_report(inputs)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of text, as charts take most of the time."""
    monkeypatch.setattr(charts, "draw", lambda *_: "")


# --- content ----------------------------------------------------------------------------------------


def test_every_part_is_there_and_reachable(page: Page) -> None:
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == list(SECTIONS)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    anchors = {link[1:] for link in page.attributes("href") if link.startswith("#")}
    assert set(SECTIONS) <= anchors <= set(ids)
    assert {"roc", "gains", "pr", "calibration"} <= set(ids)
    assert page.text.count("How to read this.") == 14


def test_the_headline_answers_in_figures(page: Page, inputs: ReportInputs) -> None:
    high = int((inputs.scores["risk_band"] == "high").sum())
    auc = inputs.metrics["test"]["roc_auc"]
    oracle = inputs.metrics["baselines"]["oracle"]["test"]["roc_auc"]["value"]
    covered = 100 * (auc["value"] - 0.5) / (oracle - 0.5)
    assert f"As of 1 March 2025, {high} of 1,500 customers" in page.text
    assert "at high risk of churning within the next 30 days" in page.text
    assert f"about {inputs.scores['churn_probability'].sum():.0f} expected to churn" in page.text
    assert f"ROC AUC {auc['value']:.3f}, 95 % interval {auc['low']:.3f} to {auc['high']:.3f}" in page.text
    assert "The interval lies wholly above that of recency alone." in page.text
    assert f"the model covers {covered:.0f} % of the distance from chance to the oracle" in page.text


@pytest.mark.parametrize(
    ("recency", "expected"),
    [
        ({"value": 0.75, "low": 0.73, "high": 0.77}, "The intervals overlap"),
        ({"value": 0.80, "low": 0.78, "high": 0.82}, "The model does no better than recency alone."),
    ],
)
@pytest.mark.usefixtures("without_charts")
def test_the_headline_does_not_flatter(inputs: ReportInputs, recency: dict, expected: str) -> None:
    metrics = copy.deepcopy(inputs.metrics)
    metrics["test"]["roc_auc"] = {"value": 0.77, "low": 0.755, "high": 0.785}
    metrics["baselines"]["recency"]["test"]["roc_auc"] = recency
    text = Page(render_report(replace(inputs, metrics=metrics))).text
    assert expected in text
    assert "wholly above" not in text


def test_figures_of_the_models_are_those_of_the_metrics(page: Page, inputs: ReportInputs) -> None:
    expected = []
    metrics = inputs.metrics
    for name in ["lightgbm", *(m for m in metrics["models"] if m != "lightgbm")]:
        for split in ("validation", "test"):
            expected += [metrics["models"][name][split][metric.key] for metric in METRICS]
    for split in ("validation", "test"):
        recency = metrics["baselines"]["recency"][split]
        expected += [recency[key] for key in ("roc_auc", "pr_auc", "lift_at_10pct")]
    expected += [metrics["baselines"]["oracle"]["test"][metric.key] for metric in METRICS]
    assert [float(exact) for exact, _ in page.figures["models"]] == [estimate["value"] for estimate in expected]
    for exact, shown in page.figures["models"] + page.figures["head"]:
        places = len(shown.rstrip("\u00d7").partition(".")[2])
        assert shown.rstrip("\u00d7") == f"{float(exact):.{places}f}"
    head = [float(exact) for exact, _ in page.figures["head"]]
    assert metrics["test"]["roc_auc"]["value"] in head
    assert metrics["test"]["lift_at_10pct"]["value"] in head


def test_the_riskiest_customers_are_listed_with_their_reasons(page: Page, inputs: ReportInputs) -> None:
    ranked = inputs.scores.nlargest(25, "churn_probability")
    listed = re.findall(r"C\d{5}", page.text)
    assert listed == 2 * ranked["customer_id"].tolist(), "by risk, and again by what a contact earns"
    first = inputs.reasons[inputs.reasons["customer_id"] == listed[0]].sort_values("reason_rank")["reason"]
    places = [page.text.index(reason) for reason in first]
    assert places == sorted(places)


def test_rows_read_are_rows_kept_and_quarantined(page: Page, inputs: ReportInputs) -> None:
    for table, counts in inputs.row_counts.groupby("source_table"):
        kept = counts.loc[counts["outcome"].str.startswith("kept"), "row_count"].sum()
        total = counts["row_count"].sum()
        assert re.search(rf"{table} ?{total:,} ?{kept:,} ?{total - kept:,}", page.text)
    assert "order date unreadable 25" in page.text
    assert "kept, but refund of an unknown order 3" in page.text


def test_the_split_is_described_with_its_purge(page: Page) -> None:
    assert "By time, with a purge of 30 days: 812 rows" in page.text
    assert "No label window reaches past a dotted line" in page.text
    assert "A customer has churned when the subscription ends in the label window" in page.text


def test_a_label_window_that_reaches_into_the_next_period_is_called_out(inputs: ReportInputs) -> None:
    text = Page(render_report(replace(inputs, definition={**inputs.definition, "horizon": "60d"}))).text
    assert "The label window of training reaches into validation" in text
    assert "No label window reaches past" not in text


@pytest.mark.usefixtures("without_charts")
def test_cross_validation_is_named(inputs: ReportInputs) -> None:
    metrics = copy.deepcopy(inputs.metrics)
    metrics["split"] |= {"kind": "temporal_cross_validated", "validation_from": None, "validation_to": None}
    text = Page(render_report(replace(inputs, metrics=metrics))).text
    assert "chosen by cross-validation on customers within the training period" in text
    assert "validation period" not in text.rpartition("Intervals")[0].rpartition("Windows")[2]


@pytest.mark.usefixtures("without_charts")
def test_scores_of_another_version_or_time_are_called_out(inputs: ReportInputs) -> None:
    scores = inputs.scores.assign(model_version=2)
    scoring = inputs.scoring.assign(feature_timestamp=pd.Timestamp("2025-04-01"))
    text = Page(render_report(replace(inputs, scores=scores, scoring=scoring))).text
    assert "The scores were made by model version 2, while the figures below are of version 3." in text
    assert "features as of 1 April 2025: newer than the scores" in text


# --- safety --------------------------------------------------------------------------------


def test_hostile_names_and_values_stay_text() -> None:
    html = render_report(hostile_inputs())
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= ALLOWED_TAGS
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    clean = HOSTILE.replace("\u202e \x00\x08 ", "")
    assert page.text.count(clean) > 20
    assert "{{ 7 * 7 }}" in page.text
    assert "<script" not in html
    assert "\x00" not in html
    assert html.count("</style>") == 1


def test_the_page_loads_nothing(html: str) -> None:
    page = Page(html)
    assert not page.attributes("src")
    assert not re.search(r"url\(|@import|https?:|//", html.replace("sqlite:///", ""))
    links = {attributes["href"] for tag, attributes in page.tags if tag in ("a", "link")}
    assert links - {f"#{name}" for name in SECTIONS} == {
        "#main",
        "data:,",
        "metrics.json",
        "actions.csv",
        "../target/index.html",
    }
    assert not {"script", "iframe", "img", "object", "embed", "form"} & {tag for tag, _ in page.tags}
    assert not page.attributes("style")


def test_the_policy_of_the_page_names_its_style(html: str) -> None:
    policy = next(f["content"] for _, f in Page(html).tags if f.get("http-equiv") == "Content-Security-Policy")
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_charts_are_described_for_screen_readers(page: Page) -> None:
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("aria-hidden") != "true"]
    assert len(charts) == 12
    assert all(chart["role"] == "img" and chart["aria-label"].strip() for chart in charts)
    assert sum(tag == "desc" for tag, _ in page.tags) == 12


def test_every_count_is_a_figure(html: str) -> None:
    """A missing figure is a dash; whatever counts rows knows how many."""
    assert re.search(r">[1-9][0-9,]* rows?<", html)
    assert not re.search(r"\u2013 rows?\b", html)


def test_the_page_is_small_and_the_same_every_time(inputs: ReportInputs, html: str) -> None:
    assert len(html.encode()) < 400_000
    assert render_report(inputs) == html
    frames = {f.name: getattr(inputs, f.name) for f in fields(inputs)}
    shuffled = {
        name: frame.sample(frac=1, random_state=1).reset_index(drop=True)
        for name, frame in frames.items()
        if isinstance(frame, pd.DataFrame) and name not in ("scores", "predictions")
    }
    assert render_report(replace(inputs, **shuffled)) == html


def test_plots_follow_the_page_and_not_the_settings_of_the_user(inputs: ReportInputs, html: str) -> None:
    import matplotlib as mpl

    assert "var(--subject)" in html and "#0000" not in html
    assert "<text" in html and "font-family" not in html.partition("</style>")[2]
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert render_report(inputs) == html


def test_daily_feature_times_do_not_make_it_large(inputs: ReportInputs) -> None:
    times = pd.date_range("2020-01-01", periods=1500, freq="D")
    outcomes = pd.DataFrame({"feature_timestamp": times, "customers": 900, "labelled": 900, "churned": 40})
    rng = np.random.default_rng(3)
    test = inputs.predictions.query("model == 'lightgbm' and split == 'test'").sample(
        200_000, replace=True, random_state=1
    )
    predictions = test.assign(probability=rng.random(len(test)))
    assert len(render_report(replace(inputs, outcomes=outcomes, predictions=predictions))) < 1_500_000


# --- missing parts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("predictions", "The curves need reports/predictions.parquet"),
        ("drivers", "The drivers need reports/drivers.parquet"),
        ("scores", "No customer has been scored yet. Run retention score"),
        ("reasons", "There are no reasons yet"),
        ("outcomes", "The base rate over time needs gold.gld_churn_labels"),
        ("row_counts", "Row counts need the table bronze.brz_row_counts"),
        ("scoring", "Customer retention"),
        ("actions", "There is no action list yet. Run retention act"),
        ("campaign", "There is no action list yet. Run retention act"),
        ("docs_link", "Run dbt docs generate"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.usefixtures("without_charts")
def test_a_missing_part_is_named(inputs: ReportInputs, field: str, expected: str, empty: bool) -> None:
    value = getattr(inputs, field)
    gone = value.head(0) if empty and isinstance(value, pd.DataFrame) else None
    page = Page(render_report(replace(inputs, **{field: gone})))
    if field == "predictions" and empty:
        expected = "reports/predictions.parquet holds no test rows of the champion."
    if field == "actions" and empty:
        expected = "No customer to contact"
    assert expected in page.text
    assert [tag["id"] for name, tag in page.tags if name == "section"] == list(SECTIONS)


def test_with_nothing_but_empty_metrics_it_still_stands() -> None:
    text = Page(render_report(ReportInputs(metrics={}))).text
    for expected in (
        "The performance on a later period is not in metrics.json.",
        "metrics.json compares no models.",
        "The split has no dates",
        "Training raised no warnings.",
    ):
        assert expected in text


def test_metrics_that_are_not_defined_are_not_made_up(inputs: ReportInputs) -> None:
    metrics = copy.deepcopy(inputs.metrics)
    undefined = {"value": None, "low": None, "high": None}
    metrics["test"] |= {"roc_auc": undefined, "lift_at_10pct": {"value": float("nan")}}
    metrics["models"]["xgboost"]["test"] = {metric.key: undefined for metric in METRICS}
    metrics["baselines"] = {}
    metrics["data"] = {}
    text = Page(render_report(replace(inputs, metrics=metrics))).text
    assert "not measured: no events" in text
    assert "nan" not in text.lower().replace("finance", "")
    assert "None" not in text


@pytest.mark.parametrize("churned", [0, 1])
def test_a_test_period_of_one_class_has_no_curves(inputs: ReportInputs, churned: int) -> None:
    predictions = inputs.predictions.assign(churned=churned)
    text = Page(render_report(replace(inputs, predictions=predictions))).text
    assert "so there are no curves to draw" in text


def test_few_and_equal_scores_are_drawn(inputs: ReportInputs) -> None:
    one = inputs.scores.head(1).assign(churn_probability=0.0, risk_band="low")
    predictions = inputs.predictions.assign(probability=0.5)
    text = Page(render_report(replace(inputs, scores=one, predictions=predictions))).text
    assert "0 of 1 customer (0 %) are at high risk" in text
    assert "The 1 customers" not in text


def test_one_feature_time_is_a_sentence_not_a_chart(inputs: ReportInputs) -> None:
    text = Page(render_report(replace(inputs, outcomes=inputs.outcomes.head(1)))).text
    assert "There is one feature time only" in text


def test_a_frame_of_another_version_is_refused(inputs: ReportInputs) -> None:
    with pytest.raises(UserError, match="lack the column risk_band"):
        replace(inputs, scores=inputs.scores.drop(columns="risk_band"))


# --- findings of training and init ---------------------------------------------------------------------------


@pytest.mark.usefixtures("without_charts")
def test_no_signal_is_at_the_top(inputs: ReportInputs) -> None:
    message = "No signal can be shown: the 95 % interval of the test ROC AUC (0.480 to 0.560) contains 0.5."
    html = render_report(replace(inputs, metrics={**inputs.metrics, "no_signal": message}))
    assert "No signal can be shown: the 95" in Page(html).text
    assert html.index("No signal") < html.index('id="customers"')
    assert "No signal" not in Page(render_report(inputs)).text


@pytest.mark.usefixtures("without_charts")
def test_findings_of_the_files_are_listed(inputs: ReportInputs) -> None:
    findings = {"notices": ("77 % of rows lie before <b>their</b> start",), "reviews": ("positive class is not churn",)}
    html = render_report(replace(inputs, **findings))
    assert "77 % of rows lie before &lt;b&gt;their&lt;/b&gt; start" in html
    assert "positive class is not churn" in Page(html).text
    assert "Requires review" not in Page(render_report(inputs)).text


def test_a_supplied_split_that_overlaps_is_named(inputs: ReportInputs) -> None:
    dates = {f"{part}_{end}": None for part in ("train", "validation", "test") for end in ("from", "to")}
    metrics = {**inputs.metrics, "split": {**inputs.metrics["split"], **dates, "kind": "supplied"}}
    text = Page(render_report(replace(inputs, metrics=metrics, predictions=None, outcomes=None))).text
    assert "As supplied with the labels. The parts overlap in time" in text
    assert "of the supplied test set" in text
    assert "a later period that took no part" not in text


def test_many_irregular_times_are_grouped(inputs: ReportInputs) -> None:
    rng = np.random.default_rng(5)
    times = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 480, 700)), unit="D")
    outcomes = pd.DataFrame(
        {"feature_timestamp": times, "customers": 1, "labelled": 1, "churned": rng.integers(0, 2, 700)}
    )
    supplied = {**inputs.definition, "churn_definition": "supplied"}
    text = Page(render_report(replace(inputs, outcomes=outcomes, definition=supplied))).text
    assert "Feature times are irregular; here they are grouped by 20 days" in text
    assert "irregular" not in Page(render_report(replace(inputs, outcomes=outcomes))).text
