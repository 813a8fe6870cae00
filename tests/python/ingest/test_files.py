"""Which files are read, in place or through a conversion, and what is quarantined or refused."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.ingest import DataArgument, open_tables, scratch_connection, with_row_number
from python_ml.ingest.conversion import refresh_converted
from python_ml.ingest.dialect import distinct_names
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT
from python_ml.names import identifier
from tests.python.hostile_files import FILES, ROWS

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
QUARANTINED = [name for name, file in FILES.items() if file.rejected]


@pytest.fixture
def connection():
    with scratch_connection() as opened:
        yield opened


def opened(connection, path, content=None, **options):
    """One opened file, and the rows of its view."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (table,) = open_tables(connection, [DataArgument.parse(str(path))], **options)
    return table, connection.execute(f"select * from {table.view}").fetchall()


class TestInPlace:
    @pytest.mark.parametrize(
        "content",
        [
            b"id,b\r\n1,x\r\n3,y\r\n5,z\r\n",
            b"\xef\xbb\xbfid;b\n1;x\n3;y\n5;z\n",
            b"id\tb\r1\tx\r3\ty\r5\tz\r",
            b"id|b\n1|x\n3|y\n5|z",
            b'id,b\n1,a 7" screen\n3,"x\ny"\n5,"he said ""hi"""\n',
            b'id,b\n1,"a\n2,b\n3,c\n',
            "id,b\n1,M\u00fcller\n2,x\n3,y\n".encode("latin-1"),
            "id,b\n1,M\u00fcller\n2,x\n3,y\n".encode("utf-16"),
            gzip.compress(b"id,b\n1,x\n2,y\n3,z\n", mtime=0),
            b"sep=;\nid;b\n1;x,1\n2;y,2\n3;z\n",
            b"Report\n\nid,b\n1,x\n2,y\n3,z\n",
            b"id~b\n1~x\n2~y\n3~z\n",
        ],
    )
    def test_no_row_is_lost(self, connection, tmp_path, content):
        table, rows = opened(connection, tmp_path / "it's {{ 1 }} [x]*.csv", content)
        assert [column.raw_name for column in table.columns] == ["id", "b"]
        assert (table.format, table.conversion, table.rows, len(rows)) == ("csv", None, 3, 3)

    @pytest.mark.parametrize("content", [b"id,b\n1,x\n2,y\n", b"id,b\n1,M\xc3\xbcller\n2,y\n"])
    def test_a_byte_order_mark_is_noted(self, connection, tmp_path, content):
        plain, marked = (opened(connection, tmp_path / "t.csv", mark + content) for mark in (b"", codecs.BOM_UTF8))
        assert (plain[0].notes, marked[0].notes) == ((), ("starts with a UTF-8 byte-order mark",))
        assert marked[1] == plain[1]

    def test_parquet_keeps_its_types(self, connection, tmp_path):
        path = tmp_path / "orders.csv"
        connection.execute(
            f"copy (select 1::int as a, 2.5::double as b, date '2023-01-02' as c) to '{path}' (format parquet)"
        )
        table, rows = opened(connection, path)
        assert (table.name, table.format, [c.reading.type for c in table.columns]) == (
            "orders", "parquet", ["integer", "decimal", "timestamp"],
        )  # fmt: skip
        assert rows == [(1, 2.5, datetime(2023, 1, 2))]

    def test_headers(self, connection, tmp_path):
        def names(content):
            return [c.raw_name for c in opened(connection, tmp_path / "t.csv", content)[0].columns]

        assert names("C1,2024-01-01,5\nC2,2024-01-02,6\n") == ["column_1", "column_2", "column_3"]
        assert names("a,A,,a\n1,2,3,4\n1,2,3,4\n") == ["a", "A_1", "column_3", "a_2"]
        assert names("city,2020,2021,2022\nx,1,2,3\ny,1,2,3\nz,4,5,6\n") == ["city", "2020", "2021", "2022"]
        assert names("a,b\n1,x,2\n2,y,3\n3,z,4\n") == ["row", "a", "b"]
        assert names("a,b\n1,2,\n2,3,\n3,4,\n") == ["a", "b", "column_3"]

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(*[st.text(alphabet="ab \",;\n\t|\u00e9'", max_size=6)] * 3), min_size=2, max_size=8))
    def test_whatever_python_writes_arrives_unchanged(self, connection, tmp_path, rows):
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["one", "two", "three"])
        writer.writerows(rows)
        try:
            table, _ = opened(connection, tmp_path / "data.csv", text.getvalue())
        except UserError:
            return  # refused, not misread
        read = connection.execute(
            f"select coalesce(columns(['one', 'two', 'three']), '') from {table.relation}"
        ).fetchall()
        assert sorted(read) == sorted(rows)

    def test_names_of_sources(self, connection, tmp_path):
        for name in ("orders_2023", "data", "x"):
            (tmp_path / f"{name}.csv").write_text("id,amount\n1,2.5\n2,3.5\n")
        arguments = [DataArgument.parse(str(tmp_path / f"{n}.csv")) for n in ("orders_2023", "data")]
        arguments.append(DataArgument.parse(f"orders={tmp_path / 'x.csv'}"))
        tables = open_tables(connection, arguments, taken=("purchases",))
        assert [table.name for table in tables] == ["orders", "purchases_2", "orders_2"]
        with pytest.raises(UserError, match="given twice"):
            open_tables(connection, arguments[:1] * 2)

    def test_a_row_number_is_a_key(self, connection, tmp_path):
        table = with_row_number(connection, opened(connection, tmp_path / "t.csv", "a,b\nx,1\ny,2\nx,1\n")[0])
        assert table.has_row_number
        assert connection.execute(f"select row_number_, a from {table.view} order by 1").fetchall() == [
            (1, "x"), (2, "y"), (3, "x"),
        ]  # fmt: skip


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "text"),
        [
            ("cp1252", "\u20ac bar,K\u00e4se,\u2013"),
            ("gb18030", "\u95e8\u5e97,\u7f51\u7ad9,\u5ba2\u6237\u7f16\u53f7"),
            ("cp932", "\u6771\u4eac\u306e\u30ab\u30fc\u30c9,\u5927\u962a\u3067\u3059,\u5e97\u8217\u3067"),
            ("cp949", "\uc11c\uc6b8,\ubd80\uc0b0,\uace0\uac1d\ubc88\ud638"),
            ("big5", "\u9580\u5e02,\u53f0\u5317,\u5ba2\u6236\u7de8\u865f\u4e0b\u55ae\u6642\u9593"),
            (
                "cp1251",
                "\u041c\u043e\u0441\u043a\u0432\u0430,\u0417\u0430\u043a\u0430\u0437,\u041a\u043b\u0438\u0435\u043d\u0442",
            ),
            (
                "koi8_r",
                "\u041c\u043e\u0441\u043a\u0432\u0430,\u0417\u0430\u043a\u0430\u0437,\u041a\u043b\u0438\u0435\u043d\u0442",
            ),
            ("cp1250", "Za\u017c\u00f3\u0142\u0107,g\u0119\u015bl\u0105,ja\u017a\u0144"),
            (
                "cp1253",
                "\u0391\u03b8\u03ae\u03bd\u03b1,\u03c0\u03b5\u03bb\u03ac\u03c4\u03b7\u03c2,\u0394\u03c1\u03cc\u03bc\u03bf\u03c2",
            ),
            ("utf-16-le", "caf\u00e9,na\u00efve,x"),
        ],
    )
    def test_are_recognised(self, connection, tmp_path, encoding, text):
        content = "id,a,b,c\n" + "".join(f"{n},{text}\n" for n in range(20))
        table, rows = opened(connection, tmp_path / "t.csv", content.encode(encoding))
        connection.execute("select 1")
        assert [
            str(value) for value in connection.execute(f"select a, b, c from {table.relation}").fetchall()[0]
        ] == text.split(",")
        assert len(rows) == 20
        assert any("encoding" in note or "UTF-8" in note for note in table.notes)

    def test_the_user_decides(self, connection, tmp_path):
        content = "id,a\n1,\u0141\u00f3d\u017a\n2,x\n".encode("cp1250")
        table, _ = opened(connection, tmp_path / "t.csv", content, encoding="windows-1250")
        assert table.column("a").values[0][0] in ("x", "\u0141\u00f3d\u017a")
        with pytest.raises(UserError, match="no encoding `klingon`"):
            opened(connection, tmp_path / "t.csv", content, encoding="klingon")
        with pytest.raises(UserError, match="Line 2 is not utf-8"):
            opened(connection, tmp_path / "t.csv", content, encoding="utf-8")


class TestRejectedLines:
    @pytest.mark.parametrize("name", QUARANTINED)
    def test_a_few_are_quarantined(self, connection, tmp_path, name):
        table, rows = opened(connection, FILES[name].make(tmp_path))
        assert (table.rows, len(rows), sum(table.rejected.values())) == (ROWS, ROWS - 1, 1)
        ((number, text, problem),) = connection.execute(
            f"select {LINE_NUMBER}, {LINE_TEXT}, {LINE_PROBLEM} from {table.relation} where {LINE_PROBLEM} is not null"
        ).fetchall()
        assert number == {"mixed encodings": 9}.get(name, 402)
        assert problem in table.rejected
        assert text.startswith("C")

    def test_a_quote_without_end_takes_no_rows_along(self, connection, tmp_path):
        lines = [f'{n},"a, {n}"' for n in range(200)]
        lines[100] = '100,"a'
        table, rows = opened(connection, tmp_path / "t.csv", "id,b\n" + "\n".join(lines) + "\n")
        assert (table.rows, len(rows)) == (200, 199)
        assert connection.execute(f"select max({LINE_NUMBER}) from {table.relation}").fetchall() == [(102,)]

    def test_a_line_that_describes_the_columns(self, connection, tmp_path):
        rows = "".join(f"{7000 + n},M,{n * 1.5}\n" for n in range(50))
        table, read = opened(connection, tmp_path / "t.csv", f"num,sex,limit\nnumber,gender,limit of the card\n{rows}")
        assert table.rejected == {"describes the columns": 1}
        assert (len(read), table.columns[0].kind) == (50, "number")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b" \n\n", "is empty"),
            (b"a,b,c\n", "no rows"),
            (b"a,b\n1,\x002\n", "binary"),
            (b"PK\x03\x04" + b"x" * 50, "zip archive"),
            (b"\x1f\x8b\x08broken", "cannot be read"),
            (b"PAR1 not really", "cannot be read"),
            (b"a,b,c\n1,2,3\n1,2\n4,5,6\n", "Line 3 has 2 columns where the first line has 3"),
            (b"a,b,c\n1,2,3\n1,2,3,4\n4,5,6\n", "Line 3 has 4 columns"),
            ("a,b\n1,Z\u00fcrich\n".encode() + "2,Z\u00fcrich\n".encode("latin-1"), "mixes encodings: line 3"),
            (b"a b c\n1 2 3\n1 2 3 4\n" + b"1 2 3\n" * 15, "Line 3 has 4 columns"),
            (b"<html><table></table></html>", "HTML"),
            (b'{"a": 1}\n{"a": 2\n', "Line 2 is no JSON"),
        ],
    )
    def test_broken_files_are_explained(self, connection, tmp_path, content, message):
        path = tmp_path / "broken.csv"
        with pytest.raises(UserError, match=message) as error:
            opened(connection, path, content)
        assert error.value.where == str(path)
        assert error.value.hint

    @pytest.mark.parametrize("name", [name for name in FILES if name != "1,100 columns" and name not in QUARANTINED])
    def test_hostile_files(self, connection, tmp_path, name):
        path = FILES[name].make(tmp_path)
        if FILES[name].refused:
            with pytest.raises(UserError, match=FILES[name].refused):
                opened(connection, path)
        else:
            table, rows = opened(connection, path)
            assert (table.rows, len(rows)) == (ROWS, ROWS)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=300))
    def test_bytes_of_any_kind_end_in_rows_or_in_a_message(self, connection, tmp_path, content):
        try:
            assert opened(connection, tmp_path / "t.csv", content)[1]
        except UserError as refused:
            assert refused.hint

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"x" * 20_000_000, "first line of the file is longer than 16 MiB"),
            (b"a," * 60_000 + b"\n" + b"1," * 60_000 + b"\n", "60,001 columns; at most 50,000"),
            # the line break stands behind what is read as a sample
            (b"a," * 140_000 + b"\n" + b"1," * 140_000 + b"\n", "140,001 columns"),
        ],
    )
    def test_one_huge_line(self, connection, tmp_path, content, message):
        with pytest.raises(UserError, match=message) as error:
            opened(connection, tmp_path / "t.csv", content)
        assert error.value.where == str(tmp_path / "t.csv")

    def test_a_header_longer_than_the_sample(self, connection, tmp_path):
        names = [f"{'x' * 30_000}{n}" for n in range(10)]
        rows = "".join(f"{','.join(str(n * i) for i in range(10))}\n" for n in range(5))
        table, read = opened(connection, tmp_path / "t.csv", ",".join(names) + "\n" + rows)
        assert [column.raw_name for column in table.columns] == names
        assert len(read) == 5

    @pytest.mark.parametrize("quote", ["", '"'])
    def test_a_line_that_is_too_long_is_quarantined(self, connection, tmp_path, quote):
        lines = [f"{n},{n}.5,x" for n in range(1000)]
        lines[500] = f"500,{quote}{'z' * 17_000_000}{quote},x"
        table, read = opened(connection, tmp_path / "t.csv", "id,b,c\n" + "\n".join(lines) + "\n")
        assert (table.rejected, len(read)) == ({"longer than 16 MiB": 1}, 999)
        query = f"select {LINE_NUMBER}, length({LINE_TEXT}) from {table.relation} where {LINE_PROBLEM} is not null"
        assert connection.execute(query).fetchall() == [(502, 1000)]


class TestNames:
    @pytest.mark.parametrize("names", [["a"], ["a", "A"], [""], ["a", "a_1", "a_1_1"]])
    def test_equal_names_take_no_longer_than_others(self, names):
        def calls(columns: int) -> int:
            counted = 0

            def count(_frame, event, _argument) -> None:
                nonlocal counted
                counted += event == "c_call"

            sys.setprofile(count)
            try:
                different = distinct_names(names * (columns // len(names)))
            finally:
                sys.setprofile(None)
            assert len({name.lower() for name in different}) == len(different)
            return counted

        assert calls(12_000) < 5 * calls(3000)

    def test_words_run_together_in_capitals(self):
        steps = [len(identifier("AB" * n + "Cd")) for n in (1, 200_000)]
        assert steps == [5, 50]
        assert identifier("HTTPServerID") == "http_server_id"


def workbook(path, sheets):
    """Write an Excel file."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


class TestConversions:
    def test_excel(self, connection, tmp_path):
        rows = [
            ["Report"],
            [],
            ["id", "when", "amount", "note"],
            [1, datetime(2023, 1, 2), 2.5, "x"],
            [2, datetime(2023, 1, 3), 3, None],
        ]
        path = workbook(tmp_path / "book.xlsx", {"Orders": rows})
        table, read = opened(connection, path)
        assert [column.reading.type for column in table.columns] == ["integer", "timestamp", "decimal", "text"]
        assert read == [(1, datetime(2023, 1, 2), 2.5, "x"), (2, datetime(2023, 1, 3), 3, None)]
        assert table.conversion.format == "excel"

    def test_sheets_by_name(self, connection, tmp_path):
        path = workbook(tmp_path / "book.xlsx", {"A": [["a", "b"], [1, 2]], "B b": [["c", "d"], [3, 4]], "Empty": []})
        with pytest.raises(UserError, match="2 sheets with rows: A, B b"):
            opened(connection, path)
        with pytest.raises(UserError, match="no sheet `C`"):
            opened(connection, path, sheet="C")
        (table,) = open_tables(connection, [DataArgument.parse(f"{path}#B b")])
        assert table.column("c").values == (("3", 1),)
        assert len(open_tables(connection, [DataArgument.parse(f"{path}#{s}") for s in ("A", "B b")])) == 2

    def test_a_sheet_of_another_file_is_refused(self, connection, tmp_path):
        path = tmp_path / "orders.csv"
        path.write_text("a,b\n1,2\n", encoding="utf-8")
        with pytest.raises(UserError, match="Only an Excel file has sheets"):
            open_tables(connection, [DataArgument.parse(f"{path}#A")])
        with pytest.raises(UserError, match="None of the files is an Excel file"):
            open_tables(connection, [DataArgument.parse(str(path))], sheet="A")

    @pytest.mark.parametrize("layout", ["lines", "array", "object", "gzip"])
    def test_json(self, connection, tmp_path, layout):
        rows = [
            {"ts": 1672655245000 + n, "user": {"id": f"u{n % 3}", "deep": {"k": [n]}}, "ok": n % 2 == 0}
            for n in range(9)
        ]
        lines = "\n".join(map(json.dumps, rows)).encode()
        content = {
            "lines": lines, "array": json.dumps(rows).encode(), "gzip": gzip.compress(lines, mtime=0),
            "object": json.dumps({"n": 9, "rows": rows}).encode(),
        }[layout]  # fmt: skip
        table, read = opened(connection, tmp_path / "log.json", content)
        assert [column.raw_name for column in table.columns] == ["ts", "user_id", "user_deep", "ok"]
        assert [c.reading.type for c in table.columns] == ["timestamp", "text", "text", "boolean"]
        assert read[0] == (datetime(2023, 1, 2, 10, 27, 25), "u0", '{"k":[0]}', True)

    @pytest.mark.parametrize("layout", ["plain", "zip"])
    def test_structures_in_parquet_become_columns(self, connection, tmp_path, layout):
        """As in JSON: a structure as text would be a customer for every combination of its fields."""
        path = tmp_path / "visits.parquet"
        duckdb.sql(f"""
            copy (select {{'id': 'M' || i % 3, 'tier': i, 'It''s': 'x'}} as "the member", i as the_member_tier, [i] as l
                from range(9) t(i)) to '{path}' (format parquet)
        """)
        if layout == "zip":
            with zipfile.ZipFile(tmp_path / "visits.zip", "w") as archive:
                archive.write(path, "visits.parquet")
            path = tmp_path / "visits.zip"
        table, read = opened(connection, path)
        names = ["the member_id", "the member_tier", "the member_It's", "the_member_tier", "l"]
        assert [column.raw_name for column in table.columns] == names
        assert read[4][:4] == ("M1", 4, "x", 4)
        assert (table.conversion.format, table.conversion.options["nested"]) == ("parquet", True)

    def test_broken_json_lines_are_quarantined(self, connection, tmp_path):
        lines = [json.dumps({"a": n}) for n in range(200)]
        lines[99] = '{"a": '
        table, read = opened(connection, tmp_path / "t.jsonl", "\n".join(lines))
        assert (table.rows, len(read), table.rejected) == (200, 199, {"not JSON": 1})

    @pytest.mark.parametrize("inner", ["csv", "parquet"])
    def test_zip_of_one_file(self, connection, tmp_path, inner):
        content = b"id,b\n1,x\n2,y\n"
        if inner == "parquet":
            duckdb.sql(
                f"copy (select 1 as id, 'x' as b union all select 2, 'y') to '{tmp_path / 'p'}' (format parquet)"
            )
            content = (tmp_path / "p").read_bytes()
        path = tmp_path / "t.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"data.{inner}", content)
        assert opened(connection, path)[1] == [(1, "x"), (2, "y")]
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("other.csv", content)
        with pytest.raises(UserError, match="holds 2 files"):
            opened(connection, path)

    def test_columns_apart_by_blanks(self, connection, tmp_path):
        table, rows = opened(connection, tmp_path / "t.txt", " id  date amount\n 01 19970101  1.5\n 02 19970102 12.0\n")
        assert table.conversion.format == "whitespace"
        assert rows[1][1:] == (datetime(1997, 1, 2), 12)

    @pytest.mark.parametrize(
        "months", [["Jan 23", "Feb 23", "Mar 23", "Apr 23"], ["2023-01", "2023-02", "2023-03", "2023-04"]]
    )
    def test_months_as_columns(self, connection, tmp_path, months):
        content = f"Customer,{','.join(months)}\nA,29,29,,\nB,,1.5,,29\n"
        table, rows = opened(connection, tmp_path / "mrr.csv", content)
        assert [column.raw_name for column in table.columns] == ["Customer", "month", "value"]
        assert table.columns[1].reading.is_period
        assert sorted(rows) == [
            ("A", datetime(2023, 2, 1), 29), ("A", datetime(2023, 3, 1), 29), ("B", datetime(2023, 3, 1), 1.5),
            ("B", datetime(2023, 5, 1), 29),
        ]  # fmt: skip

    def test_a_newer_file_is_converted_again(self, connection, tmp_path):
        path, target = tmp_path / "t.csv", tmp_path / "kept.parquet"
        table, _ = opened(connection, path, "id,b\n1,\u20ac\n2,y\n".encode("cp1252"))
        target.write_bytes(table.converted.read_bytes())
        assert refresh_converted([(path, table.conversion, target)]) == []
        path.write_bytes("id,b\n1,\u20ac\n2,y\n3,\u2013\n".encode("cp1252"))
        ((_, conversion),) = refresh_converted([(path, table.conversion, target)])
        assert conversion.sha256 != table.conversion.sha256
        assert duckdb.sql(f"select b from '{target}' order by id").fetchall() == [("\u20ac",), ("y",), ("\u2013",)]
        path.write_bytes("b,id\n\u20ac,1\n".encode("cp1252"))
        with pytest.raises(UserError, match="columns of the file changed"):
            refresh_converted([(path, conversion, target)])


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}")
class TestCases:
    FIRST, LAST = datetime(2023, 1, 2).date(), datetime(2024, 6, 23).date()

    @pytest.mark.parametrize(
        ("file", "customer", "time", "rows"),
        [
            ("08-windows-1252/orders.csv", "kunde", "datum", 190),
            ("09-json-lines/log.jsonl", "userId", "ts", 190),
            ("10-epoch-times/events.csv", "user_id", "ts", 190),
            ("10-epoch-times/events_ms.csv", "user_id", "ts", 190),
            ("10-epoch-times/ratings.tsv", "column_1", "column_4", 190),
            ("20-one-id-in-two-spellings/orders.csv", "customer_id", "ordered_at", 190),
            ("21-lines-before-the-header/preamble.csv", "customer_id", "ordered_at", 190),
            ("27-encoding-message-is-wrong/orders.csv", "\u5ba2\u6237\u7f16\u53f7", "\u4e0b\u5355\u65f6\u95f4", 190),
            ("29-times-nobody-reads/checkins.tsv", "user", "time", 190),
            ("29-times-nobody-reads/commandes_fr.csv", "client", "date_commande", 190),
            ("35-excel-serial-dates/orders.csv", "customer_id", "order_date", 190),
        ],
    )
    def test_are_read(self, connection, file, customer, time, rows):
        table, read = opened(connection, CASES / file, times=("column_4",))
        times = table.column(time).times
        assert (len(read), table.column(customer).distinct) == (rows, 32)
        assert (times.readable, times.first.date(), times.last.date()) == (rows, self.FIRST, self.LAST)

    @pytest.mark.parametrize(
        ("name", "negatives"), [("brackets", 22), ("trailing_minus", 22), ("apostrophe", 0), ("currency_code", 0)]
    )
    def test_amounts_in_other_notations(self, connection, name, negatives):
        path = CASES / "12-amounts-in-other-notations-become-categories" / f"{name}.csv"
        numbers = opened(connection, path)[0].column("amount").numbers
        assert (numbers.readable, numbers.negatives) == (190, negatives)
