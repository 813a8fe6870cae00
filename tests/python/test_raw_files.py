"""What is read from a raw file: names, dialects, rows, times, numbers."""

from __future__ import annotations

import csv
import gzip
from datetime import date, datetime, timedelta

import duckdb
import jinja2
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.names import RESERVED, identifier, jinja_string, unique_identifiers, yaml_text
from python_ml.onboarding import dates, dialect
from python_ml.onboarding.dbt_yaml import dump
from python_ml.onboarding.profiling import profile_columns
from python_ml.onboarding.reading import open_file, scratch_connection


@pytest.fixture
def connection():
    with scratch_connection() as opened:
        yield opened


class TestNames:
    @pytest.mark.parametrize(
        ("raw", "safe"),
        [
            ("customerID", "customer_id"),
            ("InvoiceNo", "invoice_no"),
            ("Ünit Straße (EUR)", "unit_strasse_eur"),
            ("select", "select_value"),
            ("2020 sales", "column_2020_sales"),
            ("\n; drop table x --", "drop_table_x"),
            ("€", "unnamed_column"),
            ("churned", "churned_value"),
            ("a__b", "a_b"),
        ],
    )
    def test_examples(self, raw, safe):
        assert identifier(raw) == safe

    def test_no_keyword_of_the_engine_is_left(self):
        keywords = duckdb.sql("select keyword_name from duckdb_keywords() where keyword_category != 'unreserved'")
        assert {name for (name,) in keywords.fetchall()} <= RESERVED

    @given(st.lists(st.text(max_size=60), max_size=20))
    def test_any_names_become_different_plain_identifiers(self, raw):
        made = unique_identifiers(raw)
        assert len(set(made)) == len(raw)
        for name in made:
            assert name.isidentifier()
            assert name == name.lower()
            assert "__" not in name
            assert name not in RESERVED

    @given(st.text(max_size=60))
    def test_jinja_strings_say_what_they_stand_for(self, text):
        literal = jinja_string(text)
        assert literal.isascii()
        assert not set("{}%#") & set(literal)
        assert jinja2.Template("{{ " + literal + " }}").render() == text

    @given(st.text(max_size=60))
    @example("\x85")
    @example("a\u2028b\u2029c\rd")
    def test_yaml_survives_the_jinja_of_dbt(self, text):
        value = yaml.safe_load(dump({"name": yaml_text(text)}))["name"]
        # like dbt: no trailing newline is eaten
        assert (
            jinja2.Environment(keep_trailing_newline=True).from_string(value).render()
            == text.replace("\r\n", "\n").replace("\r", "\n")
            or jinja2.Template(value, newline_sequence="\n").render() == text
        )


class TestDialect:
    @pytest.mark.parametrize(
        ("text", "delimiter", "width"),
        [
            ("a,b,c\n1,2,3\n4,5,6\n", ",", 3),
            ("a;b\n1,5;2,5\n3,5;4,5\n", ";", 2),
            ("a\tb c\td\n1\thello world\t3\n", "\t", 3),
            ("a|b\n1|2\n", "|", 2),
            ('a,b\n1,"x, y"\n2,"he said ""no"""\n', ",", 2),
        ],
    )
    def test_delimiters(self, text, delimiter, width):
        found = dialect.detect(text, complete=True)
        assert (found.format, found.delim, len(found.names), found.header) == ("csv", delimiter, width, True)

    def test_columns_apart_by_blanks(self):
        found = dialect.detect(" id  date amount\n 01 19970101  1.5\n 02 19970102 12.0\n", complete=True)
        assert (found.format, found.names) == ("whitespace", ["id", "date", "amount"])

    def test_a_first_line_of_values_is_no_header(self):
        found = dialect.detect("C1,2024-01-01,5\nC2,2024-01-02,6\n", complete=True)
        assert (found.header, found.names) == (False, ["column_1", "column_2", "column_3"])

    def test_names_differ_without_regard_to_case(self):
        assert dialect.distinct_names(["Price", "price", "", "PRICE"]) == ["Price", "price_1", "column_3", "PRICE_2"]

    @pytest.mark.parametrize(
        ("text", "new_line"),
        [("a,b\r\n1,2\r\n", "\\r\\n"), ('a,"b\nc"\r\n1,2\r\n', "\\r\\n"), ("a,b\n1,2\n", "\\n"), ("a,b\r\n1,2\n", "")],
    )
    def test_line_ends_outside_of_quotes_count(self, text, new_line):
        assert dialect.detect(text, complete=True).new_line == new_line


class TestReading:
    @pytest.mark.parametrize(
        "content",
        [
            b"id,b\r\n1,2\r\n3,4\n5,6\n",
            b"\xef\xbb\xbfid,b\n1,2\n3,4\n5,6\n",
            b'id,b\n1,a 7" screen\n3,"x\ny"\n5,"he said ""hi"""\n',
            b'id,b\n1,"a\n2,b\n3,c\n',
            "id,b\n1,Müller\n2,x\n3,y\n".encode("latin-1"),
            "id,b\n1,Müller\n2,x\n3,y\n".encode("utf-16"),
            b"id\tb\r1\t2\r3\t4\r5\t6\r",
            b"id b\n1   2\n\n3 4\n5 6",
        ],
    )
    def test_no_row_is_lost(self, connection, tmp_path, content):
        path = tmp_path / "it's {{ 1 }} [x]*.csv"
        path.write_bytes(content)
        file = open_file(connection, path, "t")
        assert [name for name, _ in file.columns] == ["id", "b"]
        assert file.rows == 3

    def test_gzip_is_known_by_its_bytes(self, connection, tmp_path):
        path = tmp_path / "data.csv"
        path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
        assert open_file(connection, path, "t").options["compression"] == "gzip"

    def test_parquet_is_known_by_its_bytes(self, connection, tmp_path):
        path = tmp_path / "data.csv"
        connection.execute(f"copy (select 1 as a) to '{path}' (format parquet)")
        assert open_file(connection, path, "t").format == "parquet"

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(*[st.text(alphabet="ab \",;\n\t|é'", max_size=6)] * 3), min_size=2, max_size=8))
    def test_whatever_python_writes_arrives_unchanged(self, connection, tmp_path, rows):
        path = tmp_path / "data.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(["one", "two", "three"])
            writer.writerows(rows)
        try:
            file = open_file(connection, path, "t")
        except UserError:
            return  # refused, not misread
        found = connection.execute("select coalesce(columns(*), '') from t").fetchall()
        assert sorted(found) == sorted(rows)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b" \n\n", "is empty"),
            (b"a,b,c\n", "no rows"),
            (b"a,b\n1,\x002\n", "binary"),
            (b"PK\x03\x04" + b"x" * 50, "spreadsheet"),
            (b"\x1f\x8b\x08broken", "cannot be read"),
            (b"PAR1 not really", "cannot be read"),
            (b"a,b,c\n1,2,3\n1,2\n4,5,6\n", "Line 3 has 2 columns"),
            (b"a,b,c\n1,2,3\n1,2,3,4\n4,5,6\n", "Line 3 has 4 columns"),
            ("a,b\n1,Zürich\n".encode() + "2,Zürich\n".encode("latin-1"), "mixes encodings"),
            (b"a b c\n1 2 3\n" * 1 + b"1 2 3 4\n" + b"1 2 3\n" * 60, "4 values"),
        ],
    )
    def test_broken_files_are_explained(self, connection, tmp_path, content, message):
        path = tmp_path / "broken.csv"
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            open_file(connection, path, "t")
        assert error.value.where == str(path)
        assert error.value.hint

    def test_a_ragged_line_behind_the_sample_is_found(self, connection, tmp_path):
        path = tmp_path / "long.csv"
        path.write_text("a,b\n" + "1,2\n" * 100_000 + "1,2,3\n" + "1,2\n" * 10)
        with pytest.raises(UserError, match="Line 100002 has 3 columns"):
            open_file(connection, path, "t")


def times(connection, values: list[str], day_first: bool | None = None):
    connection.execute("create or replace table texts (value varchar)")
    connection.executemany("insert into texts values (?)", [[v] for v in values])
    return dates.profile_text(connection, "texts", '"value"', day_first)


class TestTimes:
    DAYS = tuple(date(2023, 1, 1) + timedelta(days=n * 3) for n in range(120))

    @pytest.mark.parametrize(
        ("pattern", "formats"),
        [
            ("%Y-%m-%d", ()),
            ("%Y-%m-%d %H:%M:%S", ()),
            ("%Y-%m-%dT%H:%M:%SZ", ()),
            ("%Y%m%d", ("%Y%m%d",)),
            ("%d/%m/%Y", ("%d/%m/%Y",)),
            ("%m/%d/%y", ("%m/%d/%y",)),
            ("%d.%m.%Y %H:%M", ("%d.%m.%Y %H:%M",)),
            ("%d-%b-%Y", ("%d-%b-%Y",)),
            ("%B %d, %Y", ("%B %d, %Y",)),
            ("%m/%d/%Y %I:%M %p", ("%m/%d/%Y %I:%M %p",)),
            ("%Y-%m-%dT%H:%M:%S+0200", ("%Y-%m-%dT%H:%M:%S%z",)),
        ],
    )
    def test_formats(self, connection, pattern, formats):
        found = times(connection, [d.strftime(pattern) for d in self.DAYS])
        assert set(found.formats) == set(formats)
        assert found.readable == len(self.DAYS)
        if "%z" not in "".join(formats):
            assert (found.first.date(), found.last.date()) == (self.DAYS[0], self.DAYS[-1])

    def test_offsets_are_taken_to_utc(self, connection):
        found = times(connection, ["2024-01-01T01:00:00+02:00", "2024-01-05T10:00:00+02:00"])
        assert found.has_offset
        assert found.first == datetime(2023, 12, 31, 23)

    def test_the_whole_column_decides_between_day_and_month(self, connection):
        early = [f"{d}/{m}/2023" for m in (1, 2, 3) for d in range(1, 13)]
        assert times(connection, [*early, "13/1/2023"]).formats == ("%d/%m/%Y",)
        assert times(connection, [*early, "1/13/2023"]).formats == ("%m/%d/%Y",)
        undecided = times(connection, early)
        assert undecided.undecided
        assert "guess" in undecided.evidence
        told = times(connection, early, day_first=True)
        assert (told.formats, told.undecided) == (("%d/%m/%Y",), False)

    def test_short_and_long_years_may_mix(self, connection):
        found = times(connection, ["1/31/12", "1/31/2013", "12/24/12"])
        assert found.readable == 3
        assert found.first == datetime(2012, 1, 31)

    def test_months_may_be_short_or_written_out(self, connection):
        found = times(connection, ["1 Apr 2023", "2 April 2023", "3 December 2023", "4 May 2023"])
        assert set(found.formats) == {"%d %b %Y", "%d %B %Y"}
        assert found.readable == 4

    def test_what_is_no_time_is_counted_and_shown(self, connection):
        found = times(connection, ["1/31/12"] * 97 + ["1/0/00"] * 2 + ["#N/A"])
        assert (found.filled, found.readable) == (100, 97)
        assert found.unreadable == ("1/0/00", "#N/A")

    @pytest.mark.parametrize("values", [["P12", "P13"], ["12.50", "13.99"], ["12345678901"], ["hello", "world"], [""]])
    def test_other_values_are_no_times(self, connection, values):
        found = times(connection, values)
        assert found is None or found.share < 0.5

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2068, 1, 1)), min_size=3, max_size=10),
        st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y%m%d%H%M%S", "%d %b %Y %H:%M:%S"]),
    )
    def test_times_are_read_back_as_they_were_written(self, connection, moments, pattern):
        found = times(connection, [m.strftime(pattern) for m in moments])
        assert found.readable == len(moments)
        assert found.first == min(moments).replace(microsecond=0)
        assert found.last == max(moments).replace(microsecond=0)


class TestNumbers:
    @pytest.mark.parametrize(
        ("values", "style", "total"),
        [
            (["1.5", "-2", "+.5", "1e2"], "plain", 100.0),
            (["1.234,50", "2,5", "-3"], "decimal_comma", 1234.0),
            (["$1,234.50", "2.5", "12,000"], "grouped", 13237.0),
        ],
    )
    def test_ways_of_writing(self, connection, tmp_path, values, style, total):
        path = tmp_path / "numbers.csv"
        path.write_text("x\ty\n" + "".join(f"{v}\tz\n" for v in values))
        column = profile_columns(connection, open_file(connection, path, "t"), "v")[0]
        assert (column.kind, column.number.style) == ("number", style)
        assert column.number.mean * len(values) == pytest.approx(total)

    def test_codes_with_leading_zeros_are_no_numbers(self, connection, tmp_path):
        path = tmp_path / "codes.csv"
        path.write_text("x,y\n" + "".join(f"{n:05d},{n}\n" for n in range(50)))
        code, number = profile_columns(connection, open_file(connection, path, "t"), "v")
        assert (code.kind, code.padded, number.kind) == ("text", True, "number")
