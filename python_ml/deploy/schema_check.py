"""Jobs against the published schema of asset bundles: the classes of ``databricks-bundles``, which are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from python_ml.deploy.bundle import Bundle, Job, as_list, as_mapping
from python_ml.deploy.problem import Problem


def is_available() -> bool:
    """Whether the schema is installed: ``pip install databricks-bundles``."""
    return find_spec("databricks") is not None and find_spec("databricks.bundles") is not None


def schema_problems(bundle: Bundle) -> Iterator[Problem]:
    """Fields and values of jobs that the schema does not have; none where it is not installed."""
    if not is_available():
        return
    for document in bundle.documents:
        for kind in as_mapping(document.content.get("resources")):
            if kind != "jobs":
                yield from _kind_problem(str(kind), str(document.path))
    for job in bundle.jobs:
        yield from _job_problems(job)


def _kind_problem(kind: str, where: str) -> Iterator[Problem]:
    from databricks.bundles.core import Resources

    if not hasattr(Resources, kind):
        yield Problem(kind, f"a bundle has no resources `{kind}`", f"{where}, resources")


def _job_problems(job: Job) -> Iterator[Problem]:
    """The first problem of each task, and that of the rest of the job."""
    from databricks.bundles.jobs import Job as JobSchema
    from databricks.bundles.jobs import Task as TaskSchema

    for number, task in enumerate(as_list(job.content.get("tasks"))):
        key = str(as_mapping(task).get("task_key", number))
        yield from _of_schema(TaskSchema, task, job.where("tasks", key))
    yield from _of_schema(JobSchema, {k: v for k, v in job.content.items() if k != "tasks"}, job.where())


def _of_schema(schema: type, content: object, where: str) -> Iterator[Problem]:
    try:
        schema.from_dict(content)  # type: ignore[attr-defined]
    # The classes say by these what is wrong; a message names the field.
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        lines, cause = [], error
        while cause is not None:
            lines.append(str(cause))
            cause = cause.__cause__
        yield Problem(lines[-1], f"the schema of bundles refuses it: {'; '.join(dict.fromkeys(lines))}", where)
