"""Columns: distributions, codes for missing values, texts, spans of times, and what early rows say; by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from python_ml.profile import notices
from python_ml.profile.schema import Sentinel


def lines(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def column(header: str, values) -> dict[str, str]:
    """A table with a key and one more column."""
    return {"t": lines(f"id,{header}", *(f"k{n:04d},{value}" for n, value in enumerate(values)))}


def sentinels(profiled, header: str, values) -> dict[str, bool]:
    """Values that may stand for missing ones, and whether reading them so is safe."""
    profile = profiled(tables=column(header, values)).tables[0].columns[1]
    return {s.value: s.is_safe for s in profile.sentinels}


def test_a_distribution(profiled):
    profile = profiled(tables=column("score", [*range(1, 101), 1000])).tables[0].columns[1]
    distribution = profile.distribution
    assert distribution.quantiles["p50"] == 51
    assert distribution.quantiles["p25"] == 26
    # 76 + 1.5 * 50 = 151; the mean is 59.9 and the deviation 98.3; the median deviation is 25
    assert (distribution.outliers_iqr, distribution.outliers_zscore, distribution.outliers_mad) == (1, 1, 1)
    histogram = distribution.histogram
    assert sum(histogram.counts) + histogram.below + histogram.above == 101


def test_numbers_with_infinite_values_stay_numbers_and_a_notice_counts_them(profiled):
    profile = profiled(tables=column("score", [*range(1, 81), *["inf"] * 20]))
    score = profile.tables[0].columns[1]
    assert (score.column.kind, score.column.numbers.maximum) == ("number", 80)
    assert score.distribution.quantiles["p50"] == 40.5
    texts = [n.text for n in notices(profile) if n.topic == "not a number"]
    assert texts == ["20 values cannot be read as a number, such as 'inf' 20 times"]


def test_few_whole_numbers_have_a_bin_each(profiled):
    histogram = profiled(tables=column("visits", [1, 1, 2, 4] * 30)).tables[0].columns[1].distribution.histogram
    assert histogram.edges == (0.5, 1.5, 2.5, 3.5, 4.5)
    assert histogram.counts == (60, 30, 0, 30)


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        ("amount", [9] * 136 + [99] * 54, {}),  # a price of 99 is a price
        ("plan_price", [9] * 100 + [29] * 50 + [999] * 3, {}),
        ("seats", [*range(1, 11)] * 18 + [99] * 4, {}),
        ("age", [*range(20, 80)] * 4 + [999] * 5, {"999": True}),
        ("score", [*range(1, 11)] * 30 + [99] * 5, {"99": False}),
        ("score", [*range(1, 11)] * 10 + [99] * 50, {}),  # a third of the rows is no code
        ("reading", [*range(1, 60)] * 4 + [-999] * 5, {"-999": True}),
        ("amount", [*range(1, 60)] * 4 + [-999] * 5, {"-999": False}),
        ("pulse", [*range(50, 120)] * 4 + [0] * 5, {"0": False}),
        ("pulse", ["N/A"] * 4 + [*range(50, 120)] * 4, {"N/A": True}),
        ("region", ["NA"] * 67 + ["EMEA"] * 60 + ["APAC"] * 63, {"NA": False}),
        ("region", ["#N/A"] * 7 + ["EMEA"] * 60 + ["APAC"] * 63, {"#N/A": True}),
    ],
)
def test_codes_for_missing_values(profiled, header, values, expected):
    assert sentinels(profiled, header, values) == expected


def test_texts(profiled):
    values = ["Basic"] * 30 + ["basic"] * 5 + ["Pro"] * 15 + [" Team"] * 2
    profile = profiled(tables=column("plan", values)).tables[0].columns[1]
    assert [(v.value, v.rows) for v in profile.top] == [("Basic", 30), ("Pro", 15), ("basic", 5), ("Team", 2)]
    assert (profile.texts.case_groups, profile.texts.case_rows, profile.texts.case_examples) == (1, 35, ("Basic",))
    assert (profile.texts.shortest, profile.texts.longest, profile.texts.padded_rows) == (3, 5, 2)


def test_personal_values_are_not_shown(profiled):
    profile = profiled(tables=column("email", [f"person{n % 40}@example.org" for n in range(200)])).tables[0].columns[1]
    assert profile.column.semantic == "email"
    assert (profile.top, profile.texts.shapes, profile.texts.case_examples) == ((), (), ())


DAYS = [date(2024, 1, 1) + timedelta(days=n % 200) for n in range(4000)]


def span(profiled, days):
    return profiled(tables=column("ordered_at", days)).tables[0].columns[1]


def test_times_far_from_all_others_are_implausible(profiled):
    profile = span(profiled, [*DAYS, date(1900, 1, 1), date(2999, 12, 31), date(2099, 1, 1)])
    assert (profile.span.first, profile.span.last) == (datetime(2024, 1, 1), datetime(2024, 7, 18))
    assert profile.span.low == date(2024, 1, 1)
    assert profile.span.implausible == 2  # 2999 is no time at all
    safe = {s.value: s.is_safe for s in profile.sentinels}
    assert safe["1900-01-01"] is True


def test_a_thin_tail_does_not_move_the_end(profiled):
    planned = [date(2024, 8, 10), date(2024, 9, 1), date(2024, 9, 20)]
    profile = span(profiled, [*DAYS, *planned])
    assert (profile.span.tail, profile.span.end, profile.span.last) == (
        3,
        datetime(2024, 7, 18),
        datetime(2024, 9, 20),
    )


def test_days_of_little_business_are_no_tail(profiled):
    assert span(profiled, [*DAYS, date(2024, 7, 19), date(2024, 7, 20)]).span.tail == 0


def test_early_rows(profiled):
    # 100 days, one row each: the day at 40 % of 99 days is day 39, and rows of the first 40 days are early.
    start = date(2024, 1, 1)
    rows = [
        f"c{n % 7},{start + timedelta(days=n)},{n if n < 99 else 5000},{'a' if n < 30 else 'b'}" for n in range(100)
    ]
    table = profiled(tables={"events": lines("customer_id,at,value,kind", *rows)}).tables[0]
    early = table.profile_of(
        "value_value" if any(c.column.name == "value_value" for c in table.columns) else "value"
    ).early
    assert (early.before, early.rows, early.filled) == (date(2024, 2, 10), 40, 40)
    assert early.mean == pytest.approx(19.5)
    assert early.quantiles["p50"] == pytest.approx(19.5)
    assert early.beyond == 1  # 5000 is more than five times the 99.9 % quantile, 38.96
    assert table.profile_of("kind").early.mode == "a"


@pytest.mark.parametrize(
    ("header", "good", "text"),
    [
        ("firstorder", [f"{n % 12 + 1}/{n % 28 + 1}/12" for n in range(200)], "5 values cannot be read as a time"),
        ("amount", [f"{n}.50" for n in range(200)], "5 values cannot be read as a number"),
    ],
)
def test_unreadable_values_are_shown_with_their_rows(profiled, header, good, text):
    profile = profiled(tables=column(header, [*good, *["1/0/00"] * 4, "#?"]))
    (noted,) = [n.text for n in notices(profile) if n.topic.startswith("not a ")]
    assert noted == f"{text}, such as '1/0/00' 4 times, '#?' once"


def test_unreadable_values_are_counted(profiled):
    values = [*range(50, 120)] * 4 + ["broken"] * 3 + ["?"]
    profile = profiled(tables=column("pulse", values)).tables[0].columns[1]
    assert {v.value: v.rows for v in profile.distribution.unreadable} == {"broken": 3, "?": 1}
    assert Sentinel("?", 1, "no number, among numbers", True) in profile.sentinels


def test_personal_data_in_values_is_masked_before_it_is_shown(profiled):
    """The mask comes before the cut: half an address is one too."""
    said = ["Please write to anna@example.com", f"{'x' * 60} or call +49 30 1234567"]
    whens = [*(f"2024-01-{day:02d}" for day in range(1, 10)), "see anna@example.com"]
    rows = [f"k{n:04d},{said[n % 2]},{whens[n % 10]}" for n in range(400)]
    profile = profiled(tables={"t": lines("id,said,due_on", *rows)})
    _, said_profile, due = profile.tables[0].columns
    assert {item.value for item in said_profile.top} == {"Please write to [email]", f"{'x' * 60} or call [phone]"}
    assert due.column.times.unreadable == (("see [email]", 40),)
    assert not any("anna" in notice.text for notice in notices(profile))


def test_free_text_is_measured(profiled):
    things = [f"{a}{b}" for a in "abcdefgh" for b in "klmnopqr"]
    english = [f"<p>I want the {thing} back, please</p>" for thing in things]
    german = [f"Wo ist mein {thing}?" for thing in things]
    rows = [f"k{n:04d},{text}" for n, text in enumerate([*english, *german, *[""] * 32])]
    profile = profiled(tables={"t": lines("id,body", *(row.replace(", please", " please") for row in rows))})
    measured = profile.tables[0].columns[1]
    assert (measured.column.semantic, measured.column.values) == ("text", ())
    facts = measured.free_text
    assert (facts.filled, facts.distinct, facts.blank_share, facts.longest) == (128, 128, 0.2, 32)
    assert (facts.median_length, facts.p95_length) == (23.5, 32)
    assert (facts.html_share, facts.languages) == (0.5, {"de": 0.5, "en": 0.5})
    assert facts.distinct_share == 1
    assert profile.tables[0].columns[0].free_text is None
