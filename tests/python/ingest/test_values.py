"""What becomes of values: each way of writing numbers, times, durations and identifiers, with results by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from python_ml.ingest import DataArgument, open_tables, scratch_connection


@pytest.fixture(scope="module")
def connection():
    with scratch_connection() as opened:
        yield opened


def opened(connection, tmp_path, values, name="x", **options):
    """A table of one column with these values and another one, and what is read."""
    path = tmp_path / "values.csv"
    path.write_text(f"{name}\tother\n" + "".join(f"{value}\tz{n % 3}\n" for n, value in enumerate(values)))
    (table,) = open_tables(connection, [DataArgument(path)], **options)
    column = table.columns[0]
    read = [row[0] for row in connection.execute(f"select {column.name} from {table.view}").fetchall()]
    return column, read


NUMBERS = [
    ("plain", ["1.5", "-2", "+.5", "1e2"], [1.5, -2, 0.5, 100]),
    ("plain", ["1.234", "2.500"], [1.234, 2.5]),
    ("grouped", ["1,234.56", "12,34,567.00", "7"], [1234.56, 1234567, 7]),
    ("grouped", ["1'234.50", "1\u2019000.00"], [1234.5, 1000]),
    ("grouped", ["1\u00a0234.5", "1\u202f234.5", "2\u2009000.5"], [1234.5, 1234.5, 2000.5]),
    ("grouped", ["(199.50)", "1,234.50", "($5.00)"], [-199.5, 1234.5, -5]),
    ("grouped", ["199.50-", "12.00"], [-199.5, 12]),
    ("grouped", ["EUR 12.50", "12.75 USD", "$-5", "-$5", "\u20ac7"], [12.5, 12.75, -5, -5, 7]),
    ("grouped", ["5%", "12.5 %"], [5, 12.5]),
    ("decimal_comma", ["1.234,56", "2,5", "-3"], [1234.56, 2.5, -3]),
    ("decimal_comma", ["2 242,20 \u20ac", "399,00 \u20ac"], [2242.2, 399]),
    ("decimal_comma", ["(1.000,00)", "5,00-"], [-1000, -5]),
]


@pytest.mark.parametrize(("style", "texts", "numbers"), NUMBERS)
def test_numbers(connection, tmp_path, style, texts, numbers):
    column, read = opened(connection, tmp_path, texts)
    assert (column.kind, column.reading.style) == ("number", style)
    assert [float(value) for value in read] == pytest.approx(numbers)
    assert column.numbers.readable == len(texts)
    assert column.numbers.negatives == sum(n < 0 for n in numbers)


@pytest.mark.parametrize("placeholder", ["inf", "-Infinity", "NaN", "#DIV/0!", "?"])
@pytest.mark.parametrize(("numbers", "style"), [(["1.5", "-2"], "plain"), (["1,234.56", "7"], "grouped")])
def test_placeholders_do_not_make_numbers_a_category(connection, tmp_path, numbers, style, placeholder):
    column, read = opened(connection, tmp_path, [*numbers * 4, placeholder, placeholder])
    assert (column.kind, column.reading.style, column.reading.scale) == ("number", style, 2)
    assert (column.filled, column.readable, read[-2:]) == (10, 8, [None, None])


@pytest.mark.parametrize("numbers", [["1.5", "-2"], ["1,234.56", "7,000"]])
def test_placeholders_at_the_end_of_a_file(connection, tmp_path, numbers):
    column, _ = opened(connection, tmp_path, numbers * 2000 + ["inf"] * 1000)
    assert (column.kind, column.filled, column.readable) == ("number", 5000, 4000)


def test_a_column_of_placeholders_with_a_few_numbers_is_text(connection, tmp_path):
    assert opened(connection, tmp_path, ["?"] * 97 + ["1", "2", "3"])[0].kind == "text"


@pytest.mark.parametrize(
    "texts", [["SKU12", "SKU13"], ["A-1", "B-2"], ["1-2", "3-4"], ["1.2.3", "4.5.6"], ["--5", "-"]]
)
def test_codes_are_no_numbers(connection, tmp_path, texts):
    assert opened(connection, tmp_path, texts)[0].kind == "text"


def test_numbers_keep_their_decimals(connection, tmp_path):
    column, read = opened(connection, tmp_path, ["0.1234", "10.5"])
    assert column.reading.scale == 4
    assert read == [Decimal("0.1234"), Decimal("10.5000")]
    assert opened(connection, tmp_path, ["3.0", "4"])[0].reading.type == "integer"


@pytest.mark.parametrize(
    ("texts", "kind", "scale"),
    [
        (["19.99", "5"], "decimal", 2),
        (["0.00004", "1.5"], "decimal", 6),
        (["0.00000004", "1.5"], "decimal", 9),
        (["100000000.00000004", "1.5"], "decimal", 2),
        (["0.0000000000004", "1.5"], "double", 2),
        (["0.3333333333333333", "0.1"], "double", 2),
        (["100000000000.000001", "1.25"], "decimal", 2),
        (["12345678901.0001", "0.000001"], "decimal", 6),
        (["1234567890123.5", "0.000001"], "double", 2),
        (["1e15", "2.25"], "decimal", 2),
        (["1e17", "2.25"], "double", 2),
    ],
)
def test_the_type_of_a_number_rounds_no_value(connection, tmp_path, texts, kind, scale):
    column, read = opened(connection, tmp_path, texts)
    assert (column.reading.type, column.reading.scale) == (kind, scale)
    assert [float(value) for value in read] == [pytest.approx(float(text), rel=1e-12) for text in texts]
    assert column.numbers.readable == len(texts)


@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity", "1e31"])
def test_what_no_type_holds_is_unreadable(connection, tmp_path, text):
    column, read = opened(connection, tmp_path, ["1.3333333333", "2"] * 20 + [text])
    assert (column.reading.type, read[-1]) == ("double", None)
    assert column.numbers.readable == 40


CTIMES = [f"{day} 10:27:25 +0200 2023" for day in ("Mon Jan 02", "Tue Jan 03")]
TIMES = [
    ("x", ["2023-01-02", "2023-01-03"], (), datetime(2023, 1, 2)),
    ("x", ["2023-01-02 10:27:25.5", "2023-01-03 00:00:00"], (), datetime(2023, 1, 2, 10, 27, 25, 500_000)),
    ("x", ["2024-01-01T01:00:00+02:00", "2024-01-05T10:00:00Z"], (), datetime(2023, 12, 31, 23)),
    ("x", ["2024-01-01 01:00 +0200", "2024-01-05 10:00 +0200"], ("%Y-%m-%d %H:%M %z",), datetime(2023, 12, 31, 23)),
    ("x", ["31/01/2023", "01/02/2023"], ("%d/%m/%Y",), datetime(2023, 1, 31)),
    ("x", ["1/31/12", "2/1/12"], ("%m/%d/%y",), datetime(2012, 1, 31)),
    ("x", ["20230102", "20230103"], ("%Y%m%d",), datetime(2023, 1, 2)),
    ("x", ["01/02/2023 09:30 PM", "01/13/2023 09:30 AM"], ("%m/%d/%Y %I:%M %p",), datetime(2023, 1, 2, 21, 30)),
    ("x", CTIMES, ("%a %b %d %H:%M:%S %z %Y",), datetime(2023, 1, 2, 8, 27, 25)),
    ("x", ["Mon, 02.01.2023 14:05", "Do, 31.08.2023 00:00"], ("%a, %d.%m.%Y %H:%M",), datetime(2023, 1, 2, 14, 5)),
    ("x", ["Mo 2.1.2023", "Di. 31.1.2023"], ("%a %d.%m.%Y",), datetime(2023, 1, 2)),
    ("x", ["Monday, January 2, 2023", "Thursday, May 4, 2023"], ("%A, %B %d, %Y",), datetime(2023, 1, 2)),
    ("x", ["mardi 3 janvier 2023", "mercredi 2 ao\u00fbt 2023"], ("%A %d %b %Y",), datetime(2023, 1, 3)),
    ("x", ["Sat 2023-01-07 10:00", "Sun 2023-01-08 11:00"], ("%a %Y-%m-%d %H:%M",), datetime(2023, 1, 7, 10)),
    ("x", ["2 Jan 2023", "4 May 2023"], ("%d %b %Y",), datetime(2023, 1, 2)),
    ("x", ["January 2, 2023", "May 4, 2023"], ("%B %d, %Y",), datetime(2023, 1, 2)),
    ("x", ["Jan. 2, 2023", "Sept. 4, 2023"], ("%b %d, %Y",), datetime(2023, 1, 2)),
    ("x", ["02 janv. 2023", "04 f\u00e9vr. 2023", "1 ao\u00fbt 2023"], ("%d %b %Y",), datetime(2023, 1, 2)),
    ("x", ["2. Januar 2023", "4. M\u00e4rz 2023", "5. Dez. 2023"], ("%d. %b %Y",), datetime(2023, 1, 2)),
    ("x", ["2 de enero de 2023", "4 de agosto de 2023"], ("%d de %b de %Y",), datetime(2023, 1, 2)),
    ("x", ["02-gen-2023", "04-ago-2023"], ("%d-%b-%Y",), datetime(2023, 1, 2)),
    ("x", ["2 jan 2023", "4 mrt 2023", "5 mei 2023"], ("%d %b %Y",), datetime(2023, 1, 2)),
    ("x", ["02 fev 2023", "04 out 2023", "05 dez 2023"], ("%d %b %Y",), datetime(2023, 2, 2)),
    ("ts", ["1672655245", "1719157229"], ("epoch_s",), datetime(2023, 1, 2, 10, 27, 25)),
    ("created_at", ["1672655245123", "1719157229000"], ("epoch_ms",), datetime(2023, 1, 2, 10, 27, 25, 123_000)),
    ("time", ["1672655245123456", "1719157229000000"], ("epoch_us",), datetime(2023, 1, 2, 10, 27, 25, 123_456)),
    ("time", ["1672655245123456789", "1719157229000000000"], ("epoch_ns",), datetime(2023, 1, 2, 10, 27, 25, 123_456)),
    ("order_date", ["44928", "45466"], ("excel_serial",), datetime(2023, 1, 2)),
    ("order_date", ["44928.4357060185", "45466"], ("excel_serial",), datetime(2023, 1, 2, 10, 27, 25)),
    ("period", ["202301", "202312"], ("month",), datetime(2023, 2, 1)),
    ("month", ["2023-01", "2023-12"], ("month",), datetime(2023, 2, 1)),
    ("month", ["Jan 23", "Dec 23"], ("month",), datetime(2023, 2, 1)),
    ("x", ["2023-Q1", "2023-Q4"], ("quarter",), datetime(2023, 4, 1)),
    ("x", ["Q1 2023", "Q4 2023"], ("quarter",), datetime(2023, 4, 1)),
    ("week", ["2023-W01", "2023-W52"], ("iso_week",), datetime(2023, 1, 9)),
    ("x", ["2/1/2023 10:00 GMT+2", "31/7/2023 10:00 GMT-0130"], ("%d/%m/%Y %H:%M %Z",), datetime(2023, 1, 2, 8)),
    ("x", ["2023-01-02 10:00 EST", "2023-07-02 10:00 Europe/Berlin"], ("%Y-%m-%d %H:%M %Z",), datetime(2023, 1, 2, 15)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "texts", "formats", "first"), TIMES)
def test_times(connection, tmp_path, name, texts, formats, first):
    column, read = opened(connection, tmp_path, texts, name)
    assert (column.kind, column.reading.formats) == ("time", formats)
    assert read[0] == first
    assert column.times.readable == len(texts)
    assert None not in read


def test_an_unknown_zone_is_unreadable_rather_than_dropped(connection, tmp_path):
    texts = ["2023-01-02 10:00 EST"] * 4 + ["2023-01-02 10:00 XYZT"]
    column, read = opened(connection, tmp_path, texts)
    assert read[:4] == [datetime(2023, 1, 2, 15)] * 4
    assert read[4] is None
    assert column.times.unreadable == (("2023-01-02 10:00 XYZT", 1),)


@pytest.mark.parametrize(("name", "texts"), [("id", ["1672655245", "1719157229"]), ("amount", ["44928", "45466"])])
def test_numbers_that_count_time_need_a_name_that_says_so(connection, tmp_path, name, texts):
    assert opened(connection, tmp_path, texts, name)[0].kind == "number"
    column, read = opened(connection, tmp_path, texts, name, times=(name,))
    assert column.kind == "time"
    assert read[0].date() == datetime(2023, 1, 2).date()


def test_years_are_times_only_when_named(connection, tmp_path):
    assert opened(connection, tmp_path, ["2022", "2023"], "year")[0].kind == "number"
    column, read = opened(connection, tmp_path, ["2022", "2023"], "year", times=("year",))
    assert (column.reading.formats, read[0]) == (("year",), datetime(2023, 1, 1))
    assert column.reading.is_period


def test_all_values_decide_between_day_and_month(connection, tmp_path):
    early = [f"{day}/{month}/2023" for month in (1, 2, 3) for day in range(1, 13)]
    assert opened(connection, tmp_path, [*early, "13/1/2023"])[0].reading.formats == ("%d/%m/%Y",)
    assert opened(connection, tmp_path, [*early, "1/13/2023"])[0].reading.formats == ("%m/%d/%Y",)
    guessed = opened(connection, tmp_path, early)[0]
    assert guessed.times.is_ambiguous
    assert "guess" in guessed.times.order
    given = opened(connection, tmp_path, early, day_first=True)[0]
    assert (given.reading.formats, given.times.is_ambiguous) == (("%d/%m/%Y",), False)


def test_a_clock_in_its_own_column_joins_the_date(connection, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("day,time,n\n02.01.2023,10:05,1\n03.01.2023,9:00:30,2\n24.01.2023,23:59,3\n")
    (table,) = open_tables(connection, [DataArgument(path)])
    assert table.columns[0].reading.clock_column == "time"
    assert (table.columns[1].kind, table.columns[1].semantic) == ("text", "nominal")
    rows = connection.execute(f"select day_value from {table.view}").fetchall()
    assert [row[0] for row in rows][:2] == [datetime(2023, 1, 2, 10, 5), datetime(2023, 1, 3, 9, 0, 30)]


def test_durations_are_seconds(connection, tmp_path):
    column, read = opened(connection, tmp_path, ["1:24:20.720", "1:32.825", "00:03:20"], "lap")
    assert (column.kind, column.semantic) == ("duration", "duration")
    assert [float(value) for value in read] == pytest.approx([5060.72, 92.825, 200])
    assert column.numbers.maximum == pytest.approx(5060.72)


def test_missing_values(connection, tmp_path):
    column, read = opened(connection, tmp_path, ["5", "", "  ", "\\N", "NA", "6", *("7" for _ in range(30))])
    assert (column.filled, column.kind) == (33, "number")
    assert read[:6] == [5, None, None, None, None, 6]


def test_one_identifier_in_several_spellings(connection, tmp_path):
    column, read = opened(connection, tmp_path, ["500", "500.0", " 500 ", *map(str, range(501, 540))], "customer_id")
    assert column.reading.strip_point_zero
    assert not column.reading.strip_zeros
    assert read[:4] == ["500", "500", "500", "501"]
    assert column.distinct == 40


def test_zeros_in_front_are_a_spelling_only_where_the_file_proves_it(connection, tmp_path):
    column, read = opened(connection, tmp_path, [f"{n}" for n in range(1, 60)] + ["0005", "0017"], "customer_id")
    assert column.reading.strip_zeros
    assert read[-2:] == ["5", "17"]
    column, read = opened(connection, tmp_path, [f"{n:05d}" for n in range(50)], "zip_id")
    assert (column.padded, column.reading.strip_zeros) == (True, False)
    assert read[7] == "00007"


def test_facts_of_columns(connection, tmp_path):
    column, _ = opened(connection, tmp_path, ["a b", "a b", "c", ""])
    assert (column.rows, column.filled, column.distinct) == (4, 3, 2)
    assert column.values == (("a b", 2), ("c", 1))
    assert column.spaced == pytest.approx(2 / 3)
    assert opened(connection, tmp_path, ["yes", "no", "Yes"])[0].kind == "boolean"
    assert opened(connection, tmp_path, ["5", "5"])[0].kind == "constant"
    assert opened(connection, tmp_path, ["", ""])[0].kind == "empty"
    secret, _ = opened(connection, tmp_path, ["ann@example.org", "bob@example.org"])
    assert (secret.semantic, secret.values) == ("email", ())
