"""Cases of the competitors, their rows in the tables, and the proof that they all compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from . import data
from .check import differences, one_in, sampled
from .declaration import WINDOWS, feature_columns
from .runner import Measured, Runner, World
from .textbook import textbook

Row = dict[str, Any]
MOST_COMPARED_ROWS = 100_000


class ResultsDifferError(Exception):
    """A competitor computes something else than `window_features`."""


class Bench:
    """Measures cases on worlds that are made when they are first needed.

    Parameters
    ----------
    runner : Runner
        Runs the cases.
    say : callable
        Told in a line what goes on.
    """

    def __init__(self, runner: Runner, say: Callable[[str], None]) -> None:
        self.runner = runner
        self.say = say
        self._worlds: dict[tuple[int, int, bool], World] = {}
        self._ours: dict[tuple[Any, ...], tuple[Measured, Path]] = {}

    def world(self, events: int, events_per_customer: int, late: bool = True) -> World:
        """A world of this size."""
        key = (events, events_per_customer, late)
        if key not in self._worlds:
            self.say(f"making {events:,} events, {events_per_customer:,} for a customer")
            folder = self.runner.folder / f"{events}_{events_per_customer}{'' if late else '_known_at_once'}"
            self._worlds[key] = World(folder, events, events_per_customer, late)
        return self._worlds[key]

    def ours(
        self,
        world: World,
        dates: int,
        windows: list[str] | None = None,
        late: bool = True,
        memory_limit: str | None = None,
    ) -> tuple[Measured, Path]:
        """`window_features`, and the file of its features; measured once for each choice.

        Raises
        ------
        RuntimeError
            When it does not end.
        """
        key = (world.database, dates, tuple(windows or WINDOWS), memory_limit)
        if key not in self._ours:
            spine = world.spine(data.dates_of(dates))
            output = self.runner.output("ours")
            query = self.runner.ours(spine, windows, late)
            measured = self.runner.run(
                world,
                "sql",
                statements=[f"create or replace temp table features as {query}"],
                memory_limit=memory_limit,
                output=str(output),
                every=self.every(world, dates),
            )
            if measured.failure and not memory_limit:
                raise RuntimeError(f"window_features on {world.events:,} events: {measured.failure}")
            self._ours[key] = measured, output
            self._tell("ours", world, dates, measured)
        return self._ours[key]

    def competitor(self, who: str, world: World, dates: int) -> tuple[Measured, Path]:
        """Textbook query, pandas, polars or Featuretools on the same, and the file of its features."""
        calendar = data.dates_of(dates)
        spine = world.spine(calendar)
        output = self.runner.output(who)
        common = {"output": str(output), "every": self.every(world, dates)}
        if who == "textbook":
            measured = self.runner.run(
                world, "sql", statements=[f"create or replace temp table features as {textbook(spine)}"], **common
            )
        else:
            folder = None
            if who == "featuretools":
                from .featuretools_loop import install

                folder = install()
            measured = self.runner.run(
                world,
                who,
                spine=spine,
                dates=[date.isoformat() for date in calendar],
                events=str(world.parquet.resolve()),
                path=str(folder.resolve()) if folder else None,
                **common,
            )
        self._tell(who, world, dates, measured)
        return measured, output

    def against(self, who: str, world: World, dates: int, late: bool = True) -> Row:
        """A competitor's row, with its results compared to ours.

        Raises
        ------
        ResultsDifferError
            When they are not equal.
        """
        ours, our_output = self.ours(world, dates, late=late)
        measured, output = self.competitor(who, world, dates)
        equal = None if measured.failure else self.compare(who, our_output, output, self.every(world, dates))
        return self.row(who, world, dates, measured, ours, equal)

    def compare(self, who: str, ours: Path, theirs: Path, every: int) -> str:
        """How many rows were compared, in words.

        Raises
        ------
        ResultsDifferError
            When they are not equal.
        """
        left, right = ("(" + sampled(f"read_parquet('{file}')", every) + ")" for file in (ours, theirs))
        with duckdb.connect() as connection:
            found = differences(connection, left, right)
            [(rows,)] = connection.execute(f"select count(*) from {left}").fetchall()
        if found:
            raise ResultsDifferError(f"{who} and window_features differ:\n  " + "\n  ".join(found[:10]))
        return f"all {rows:,} rows" if every == 1 else f"{rows:,} rows (1 of {every} customers)"

    def every(self, world: World, dates: int) -> int:
        """One customer in how many is compared."""
        return one_in(world.customers() * dates, MOST_COMPARED_ROWS)

    def row(
        self,
        who: str,
        world: World,
        dates: int,
        measured: Measured,
        ours: Measured,
        equal: str | None = None,
        windows: int = len(WINDOWS),
        memory_limit: str | None = None,
    ) -> Row:
        """A line of a table.

        Every case has its own L, measured in turn with it, and cases are compared by their multiples of it: what else
        the machine does meanwhile then weighs less.
        """
        pairs = world.pairs_per_event(dates)
        row: Row = {
            "who": who,
            "events": world.events,
            "events_per_customer": world.events_per_customer,
            "dates": dates,
            "windows": windows,
            "features": len(feature_columns(list(WINDOWS)[:windows])),
            "memory_limit": memory_limit,
            "pairs_per_event": pairs,
            **asdict(measured),
            "equal": equal,
        }
        if measured.in_floors is not None:
            row["in_floors"] = measured.in_floors
            row["per_pair"] = measured.in_floors / pairs
            row["in_ours"] = measured.in_floors / ours.in_floors if ours.in_floors else None
        return row

    def _tell(self, who: str, world: World, dates: int, measured: Measured) -> None:
        took = measured.failure or f"{measured.seconds:,.2f} s"
        if measured.in_floors:
            took += f" = {measured.in_floors:,.1f} x L"
        self.say(f"{who}: {world.events:,} events, {dates} dates: {took}")
