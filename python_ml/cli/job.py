"""``retention_job``: a command of ``retention`` as a task of a Databricks job."""

from __future__ import annotations

import os
import sys

import click

from python_ml.cli import retention
from python_ml.deploy.job_arguments import parse_arguments
from python_ml.errors import UserError, explained


def main() -> None:
    """Set variables, fetch secrets, and run a command: ``retention_job --set A=B --secrets C=scope/key score …``.

    Databricks takes a task for successful when its function returns, and for failed when it raises: an exit code other
    than 0 becomes an error.
    """
    try:
        arguments = parse_arguments(sys.argv[1:])
        os.environ.update(arguments.variables)
        os.environ.update({name: _secret(key) for name, key in arguments.secrets.items()})
        retention.main(args=list(arguments.command), prog_name="retention", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except Exception as error:
        known = explained(error, where="retention_job")
        if known is None:
            raise
        click.echo(f"Error: {known}", err=True)
        raise SystemExit(known.exit_code) from error


def _secret(key: str) -> str:
    """A secret of the workspace, named ``scope/key``."""
    try:
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.errors import DatabricksError
    except ImportError as error:
        raise UserError(
            "Secrets can be fetched on Databricks only: databricks-sdk is not installed.",
            where=f"--secrets, {key}",
            hint="set the environment variable itself, or pip install 'customer-retention[databricks]'",
        ) from error
    scope, _, name = key.partition("/")
    try:
        return WorkspaceClient().dbutils.secrets.get(scope=scope, key=name)
    except (DatabricksError, ValueError) as error:
        raise UserError(
            f"The secret cannot be read: {error}.",
            where=f"--secrets, {key}",
            hint="create it with `databricks secrets put-secret`, and let the job's identity READ the scope",
        ) from error


if __name__ == "__main__":
    main()
