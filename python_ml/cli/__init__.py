"""The command line: one module per command, imported only when the command runs."""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from python_ml import __version__
from python_ml.errors import explained

# Command -> (module, first line of its help), so that `retention --help` imports no command.
COMMANDS = {
    "init": ("python_ml.cli.init", "Turn raw files into a dbt project that is ready to run."),
    "profile": ("python_ml.cli.profile", "Profile raw files: columns, keys, relations, timeline, customers."),
    "recommend": ("python_ml.cli.recommend", "Propose changes to the data; accept or reject them."),
    "generate": ("python_ml.cli.generate", "Write the project again, as recommendations.yaml says."),
    "run": ("python_ml.cli.run", "Build, replay, train, score, act, monitor and report."),
    "build": ("python_ml.cli.build", "Build and test the warehouse with dbt."),
    "text": ("python_ml.cli.text", "Show what texts became; fit their components again; label texts."),
    "leakage": ("python_ml.cli.leakage", "Check the training set for leakage."),
    "quality": ("python_ml.cli.quality", "Check the quality of the training set and the scoring set."),
    "train": ("python_ml.cli.train", "Train, compare and register churn models."),
    "models": ("python_ml.cli.models", "List versions of the model; promote one, or roll back."),
    "backtest": ("python_ml.cli.backtest", "Measure the champion's kind of model at several feature times."),
    "score": ("python_ml.cli.score", "Score customers with the champion, with reasons."),
    "serve": ("python_ml.cli.serve", "Serve scores with reasons over HTTP."),
    "act": ("python_ml.cli.act", "Choose which customers to contact, with which offer."),
    "features": ("python_ml.cli.features", "Publish features, and read them as of any time or as they are now."),
    "explain": ("python_ml.cli.explain", "Explain the predictions: drivers and segments, or one customer."),
    "monitor": ("python_ml.cli.monitor", "Look for drift and for scores that have become worse, and raise alerts."),
    "retrain": ("python_ml.cli.retrain", "Train a challenger when the evidence asks for it."),
    "rehearse": ("python_ml.cli.rehearse", "Rehearse production through history."),
    "iterate": ("python_ml.cli.iterate", "Start, list and compare iterations; begin the next one."),
    "diagnose": ("python_ml.cli.diagnose", "Diagnose the champion: learning curves, noise, errors, fairness."),
    "uplift": ("python_ml.cli.uplift", "Estimate the effect of an offer on churn."),
    "experiment": ("python_ml.cli.experiment", "Design an experiment: sample size, power and assignment."),
    "dashboard": (
        "python_ml.cli.dashboard",
        "Write reports/dashboard.html: every scored customer, and the population.",
    ),
    "report": ("python_ml.cli.report", "Write reports/index.html from the last run."),
    "replay": ("python_ml.cli.replay", "Rebuild features from data cut off at their time, and compare."),
    "snapshot": ("python_ml.cli.snapshot", "Create, list, verify and compare training snapshots."),
    "deploy": ("python_ml.cli.deploy", "Write and check the Databricks Asset Bundle of a project."),
    "simulate": ("python_ml.cli.simulate", "Write a simulated subscription business with known churn risks."),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return importlib.import_module(COMMANDS[name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="retention")
def retention() -> None:
    """Which customers will churn, why, and how certain is that?

    \b
    Start from your own files:   retention init my_shop --data orders.parquet --horizon 90d
                                 cd my_shop && retention run
    Or from a simulated world:   retention simulate --out world

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a gate failed.
    """


def main() -> None:
    """Run the command line.

    Explained errors end with their exit code and no stack trace. Any other error is a bug: it keeps its stack trace,
    exit code 1, and asks to be reported.
    """
    _escape_unencodable_output()
    try:
        retention(standalone_mode=True)
    except Exception as error:
        known = explained(error, where=" ".join(["retention", *sys.argv[1:2]]))
        if known is None:
            error.add_note(
                "This is a bug in retention. Please report it with the lines above, the command, and the output of "
                "`retention --version`."
            )
            raise
        click.echo(f"Error: {known}", err=True)
        _discard_unwritable_output()
        sys.exit(known.exit_code)


def _escape_unencodable_output() -> None:
    """Escape characters that the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")


def _discard_unwritable_output() -> None:
    """Discard what stdout cannot take, such as on a full disk: Python would try again at exit, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
