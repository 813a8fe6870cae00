"""What generated projects give, built by dbt on DuckDB: values computed by hand, for every kind of outcome."""

from __future__ import annotations

import pytest

from python_ml.generate.preview import preview_outcome, preview_sources
from python_ml.ingest import scratch_connection
from python_ml.ingest.schema import ROW_NUMBER
from python_ml.warehouse import literal
from tests.python.command_line import command, rows
from tests.python.generate.worlds import WORLDS


def by(folder, query: str) -> dict:
    """Rows of a query by their first column, or by all but the last one where there are more than two."""
    result = rows(folder, query)
    return {(row[0] if len(row) == 2 else row[:-1]): row[-1] for row in result}


class TestBronze:
    def test_every_row_has_its_first_reason(self, built) -> None:
        reasons = rows(
            built("shop"), "select order_id, quarantine_reason from bronze.brz_shop__orders__checked order by 1, 2"
        )
        assert reasons == [
            ("O1", None),
            ("O10", "implausible ordered_at"),
            ("O11", "missing or unreadable ordered_at"),
            ("O2", "duplicate order_id"),
            ("O2", None),
            ("O3", None),
            ("O4", "missing customer_id"),
            ("O5", "missing customer_id"),
            ("O6", "unreadable amount"),
            ("O7", "rating out of range"),
            ("O8", None),
            ("O9", None),
        ]

    def test_values_are_capped_folded_and_imputed(self, built) -> None:
        kept = rows(built("shop"), "select order_id, channel, amount, rating from bronze.brz_shop__orders order by 1")
        # O2 has no rating: the customer's last one before it. N/A of O3 is missing, and becomes the commonest value.
        assert [(a, b, float(c), d) for a, b, c, d in kept] == [
            ("O1", "web", 10.0, 3),
            ("O2", "web", 7.5, 3),
            ("O3", "web", 10.0, 3),
            ("O8", "web", 100.0, 3),
            ("O9", "web", 10.0, 3),
        ]

    def test_rejected_lines_and_row_numbers_of_a_converted_file(self, built) -> None:
        result = rows(
            built("departures"),
            "select row_number_, cast(called_on as varchar), line_number_, quarantine_reason "
            "from bronze.brz_departures__calls__checked order by 1",
        )
        assert result == [
            (1, "2024-01-10 23:30:00", None, None),
            (2, "2024-01-10 23:30:00", None, None),
            (3, "2024-01-31 12:00:00", None, None),
            (4, "2024-02-01 00:00:00", None, None),
            (5, None, None, "missing or unreadable called_on"),
            (6, None, 7, "wrong number of fields"),
        ]

    def test_versions_count_one_at_a_time(self, built) -> None:
        amounts = by(
            built("spans"),
            "select strftime(feature_timestamp, '%m-%d'), quotes_amount_sum_all_time from gold.gld_customer_features "
            "where customer_id = 'C'",
        )
        assert amounts == {"02-01": 1.0, "03-02": 20.0, "04-01": 20.0, "05-01": 300.0, "05-31": 300.0}

    def test_of_rows_without_a_time_one_is_kept_and_not_by_its_outcome(self, built) -> None:
        assert rows(built("telco"), "select tenure, churn from bronze.brz_telco__accounts where customer_id = 'A'") == [
            (3, "Yes")
        ]


class TestSilver:
    def test_links_give_customer_time_and_values_and_multiply_nothing(self, built) -> None:
        result = rows(
            built("shop"),
            "select coalesce(order_no, '-'), line_no, customer_id, category, quarantine_reason "
            "from silver.slv_items__linked order by all",
        )
        assert result == [
            ("-", 1, None, "tea", "missing order_no"),
            ("O1", 1, "A", "tea", None),
            ("O1", 2, "A", "it's {{ 1 }}", None),
            ("O2", 1, "A", None, None),
            ("O3", 1, "B", "tea", None),
            ("O4", 1, None, "tea", "unknown order_no"),
        ]
        assert by(built("shop"), "select outcome, row_count from silver.slv_link_counts") == {
            "kept": 4,
            "unknown order_no": 1,
            "missing order_no": 1,
        }

    def test_a_value_that_was_known_after_the_row_is_null(self, built) -> None:
        themes = rows(built("spans"), "select strftime(changed_at, '%m-%d'), theme from silver.slv_quotes order by 1")
        assert themes == [("01-10", None), ("02-10", "spring"), ("04-10", "spring")]

    def test_windows_of_linked_and_derived_values(self, built) -> None:
        result = rows(
            built("shop"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), items_count_all_time, "
            "items_line_amount_sum_all_time, items_category_tea_count_all_time, returns_count_all_time "
            "from gold.gld_customer_features where feature_timestamp < '2024-04-01' order by all",
        )
        # A: 2 x 3.00 + 4.00 in January, 7.50 in February; the row of B is a reversal
        assert result == [
            ("A", "02-01", 2, 10.0, 1, 0),
            ("A", "03-02", 3, 17.5, 1, 0),
            ("B", "02-01", 0, 0.0, 0, 1),
            ("B", "03-02", 0, 0.0, 0, 1),
        ]

    def test_attributes_are_not_known_before_their_time(self, built) -> None:
        result = by(
            built("shop"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), "
            "(customer_region, is_trade, days_since_signed_up_at) from silver.slv_customers_attributes",
        )
        assert result["A", "02-01"] == ("north", True, 31.0)
        assert result["B", "02-01"] == (None, None, None)
        assert result["B", "03-02"] == ("south", False, 11.0)

    def test_a_history_is_joined_as_of_the_feature_time(self, built) -> None:
        result = by(
            built("shop"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), plan from silver.slv_plans_attributes",
        )
        assert [result["A", day] for day in ("02-01", "03-02", "04-01")] == ["basic", "basic", "pro"]
        assert result["B", "02-01"] is None

    def test_departures_are_paired_with_starts_and_returns(self, built) -> None:
        result = rows(
            built("departures"),
            "select customer_id, strftime(started_at, '%m-%d'), strftime(ended_at, '%m-%d') from silver.slv_coverage "
            "order by all",
        )
        assert result == [
            ("A", "01-05", "02-20"),
            ("A", "03-15", "04-20"),
            ("B", "01-05", "03-20"),
            ("B", "03-20", "06-20"),
            ("C", "01-05", None),
        ]


class TestLabels:
    def test_inactivity(self, built) -> None:
        result = by(
            built("shop"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), churned from gold.gld_churn_labels",
        )
        # A ordered on 01-05, 02-10 and 04-20, B on 01-20; the data ends with the last order that was loaded on 05-20
        assert result == {
            ("A", "02-01"): 0,
            ("A", "03-02"): 1,
            ("A", "04-01"): 0,
            ("A", "05-01"): None,
            ("B", "02-01"): 1,
            ("B", "03-02"): 1,
        }

    def test_coverage_of_spans(self, built) -> None:
        result = by(
            built("spans"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), churned from gold.gld_churn_labels "
            "where feature_timestamp < '2024-04-01'",
        )
        # A cancels on 03-10; B changes the subscription that day, and goes on
        assert result == {
            ("A", "02-01"): 0,
            ("A", "03-02"): 1,
            **{(who, day): 0 for who in "BCD" for day in ("02-01", "03-02")},
        }

    def test_coverage_of_departures(self, built) -> None:
        result = by(
            built("departures"),
            "select customer_id, strftime(feature_timestamp, '%m-%d'), churned from gold.gld_churn_labels "
            "where feature_timestamp < '2024-05-01'",
        )
        # A leaves on 02-20, is back on 03-15 and leaves on 04-20; B is back the day that they leave
        assert result == {
            ("A", "02-01"): 1,
            ("A", "04-01"): 1,
            **{(who, day): 0 for who in "BC" for day in ("02-01", "03-02", "04-01")},
        }

    def test_supplied_labels(self, built) -> None:
        result = rows(
            built("labelled"),
            "select customer_id, churned, strftime(label_timestamp, '%m-%d'), supplied_split, segment, "
            "visits_count_30d from gold.gld_training_set order by all",
        )
        assert result == [
            ("A", 0, "02-29", "train", "of A", 1),
            ("B", 1, "02-29", "train", "of B", 0),
            ("C", 1, "02-29", "test", "of C", 0),
        ]

    def test_scored_is_who_was_active_and_is_not_known_to_have_churned(self, built) -> None:
        result = rows(
            built("labelled"), "select customer_id, cast(feature_timestamp as varchar) from gold.gld_scoring_set"
        )
        assert result == [("A", "2024-03-31 00:00:00")]

    def test_a_table_without_dates(self, built) -> None:
        folder = built("telco")
        training = "select customer_id, churned, tenure, contract from gold.gld_training_set order by 1"
        assert rows(folder, training) == [("A", 1, 3.0, "monthly"), ("B", 0, 40.0, "yearly")]
        assert rows(folder, "select customer_id from gold.gld_scoring_set order by 1") == [("B",), ("C",)]
        assert rows(folder, "select distinct cast(feature_timestamp as varchar) from gold.gld_churn_labels") == [
            ("2000-01-01 00:00:00",)
        ]


@pytest.mark.parametrize("name", list(WORLDS))
def test_the_preview_counts_what_the_project_counts(built, name) -> None:
    plan, _ = WORLDS[name]
    folder = built(name)
    with scratch_connection() as connection:
        relations = {}
        for source in plan.sources:
            path = folder / "raw" / f"{source.name}.parquet"
            reader = f"(select row_number() over () as {ROW_NUMBER}, * from read_parquet({literal(str(path))}))"
            if source.conversion is None:
                path = folder.parent / "data" / source.file
                reader = f"read_csv({literal(str(path))}, all_varchar = true, header = true)"
            connection.execute(f"create view raw_{source.name} as select * from {reader}")
            relations[source.name] = f"raw_{source.name}"
        previewed = preview_sources(connection, plan, relations)
        outcome = preview_outcome(connection, plan)
        outcomes = connection.execute(f"select count(*) from {outcome}").fetchall()[0][0] if outcome else 0
        active = {
            s.name: connection.execute(f"select count(*) from {previewed[s.name].activity}").fetchall()[0][0]
            for s in plan.sources
        }
    counts = by(folder, "select source_table, outcome, row_count from bronze.brz_row_counts")
    links = by(folder, "select linked_table, outcome, row_count from silver.slv_link_counts") if plan.linked else {}
    for source in plan.sources:
        of_source = {reason: n for (table, reason), n in counts.items() if table == f"{plan.name}__{source.name}"}
        made = previewed[source.name].counts
        assert made.rows == sum(of_source.values())
        assert made.quarantined == {reason: n for reason, n in of_source.items() if not reason.startswith("kept")}
        assert made.unlinked == {
            reason: n for (table, reason), n in links.items() if table == source.name and reason != "kept"
        }
        if source.use == "events" and not source.superseded:
            relation, where = plan.model(source), "where not is_reversal" if source.reversal else ""
            schema = "silver" if source.links else "bronze"
            assert rows(folder, f"select count(*) from {schema}.{relation} {where}") == [(active[source.name],)]
    expected = {"spans": 5, "departures": 5, "labelled": 4, "telco": 3}
    assert outcomes == expected.get(name, 0)


@pytest.mark.parametrize("name", ["departures", "spans", "labelled"])
def test_features_can_be_rebuilt_from_data_cut_off_at_their_time(built, name) -> None:
    moment = "2024-03-31" if name == "labelled" else "2024-04-01"
    done = command(built(name), "replay", "--as-of", moment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout


@pytest.mark.parametrize("name", ["shop", "labelled"])
def test_dbt_warns_of_nothing(built, name) -> None:
    done = command(built(name), "dbt", "parse", "--no-partial-parse", "--show-all-deprecations")
    assert done.returncode == 0
    assert "warn" not in done.stdout.lower()
    assert "deprecat" not in done.stdout.lower()
