"""``retention deploy``: the Databricks Asset Bundle of a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project


@click.group("deploy")
def command() -> None:
    """Write and check the Databricks Asset Bundle of a project.

    See docs/guides/databricks.md for the way from an empty workspace to scheduled jobs.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, or a bundle with problems.

    \b
    Examples:
      retention deploy init     writes databricks.yml, resources/ and deploy/
      retention deploy check    verifies them without a workspace
    """


@command.command("init")
@click.option("--force", is_flag=True, help="Overwrite files of the bundle that exist.")
@project_options(*ENGINES)
def init(project: Project, console: Console, force: bool) -> None:
    """Write the files of a Databricks Asset Bundle.

    They are yours to edit; existing files are kept unless --force is given.

    Reads dbt_project.yml. Writes databricks.yml (targets and variables), resources/ (a daily and a training job) and
    deploy/ (what the jobs install, per runtime).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention deploy init --project-dir my_shop
    """
    from python_ml.deploy import bundle_files
    from python_ml.errors import UserError

    files = bundle_files(project)
    existing = [path for path in files if (project.root / path).exists()]
    if existing and not force:
        raise UserError(
            f"The project has {', '.join(existing)} already.",
            where=str(project.root),
            hint="keep them, or overwrite them with --force",
        )
    for path, text in files.items():
        target = project.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    console.result(
        f"Written: {', '.join(files)}. Next: set the variables (docs/guides/databricks.md) and run "
        "`retention deploy check`.",
        {"written": list(files)},
    )


@command.command("check")
@project_options(*ENGINES)
def check(project: Project, console: Console) -> None:
    """Verify a bundle without a workspace.

    Checked is that everything a job refers to exists: models, selectors, tags, files, variables, targets, entry points,
    commands and their options, tasks, environments, environment variables, the wheel; that jobs have only fields of the
    published schema (where databricks-bundles is installed); that versions are pinned, that no secret is in a file, and
    that development and production write different tables.

    Reads databricks.yml and the files that it includes, dbt_project.yml, profiles.yml, selectors.yml and the names of
    the models. Writes nothing. Nothing is built or compiled, and no network is used.

    Exit codes: 0 done (the bundle is sound), 1 internal error, 2 invalid input or usage, or a bundle with problems.

    \b
    Example: retention deploy check --json
    """
    from python_ml.deploy import check_bundle
    from python_ml.deploy.schema_check import is_available
    from python_ml.errors import UserError

    problems = check_bundle(project, command_problem)
    if not is_available():
        console.warn("the schema of bundles was not checked: pip install databricks-bundles")
    if problems:
        if console.as_json:
            console.result("", {"problems": [problem.to_dict() for problem in problems]})
        raise UserError(
            f"The bundle has {len(problems)} problem{'s' if len(problems) > 1 else ''}:\n    "
            + "\n    ".join(map(str, problems)),
            where=str(project.root / "databricks.yml"),
            hint="correct the names; `retention deploy init --force` writes the files anew",
        )
    console.result("The bundle is sound.", {"problems": []})


def command_problem(words: Sequence[str]) -> str | None:
    """What is wrong with a command line of ``retention``, without running it; None where nothing is."""
    from python_ml.cli import COMMANDS, retention

    name = words[0] if words else ""
    if name not in COMMANDS:
        return f"retention has no command `{name}`"
    found = retention.get_command(click.Context(retention), name)
    arguments = list(words[1:])
    try:
        while isinstance(found, click.Group) and arguments:
            inner = found.get_command(click.Context(found), arguments[0])
            if inner is None:
                return f"retention {name} has no command `{arguments[0]}`"
            found, arguments = inner, arguments[1:]
        found.make_parser(click.Context(found)).parse_args(arguments)
    except click.UsageError as error:
        return f"retention {name}: {error.format_message()}"
    return None
