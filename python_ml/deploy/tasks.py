"""The tasks of jobs: their order, and what each of them runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from python_ml.deploy.bundle import Bundle, Job, as_list, as_mapping
from python_ml.deploy.dbt_commands import DbtCommand, DbtFiles, env_variables_of, parse_command
from python_ml.deploy.job_arguments import JobArguments, parse_arguments
from python_ml.deploy.problem import Problem
from python_ml.deploy.wheel import ENTRY_POINTS, PACKAGE_NAMES, WHEEL
from python_ml.deploy.wheels import FILES
from python_ml.errors import UserError
from python_ml.warehouse import DATABRICKS, PRODUCTION

# Environment variables that this package, or a library of it, reads.
_ENVIRONMENT = {
    "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_HOST", "DATABRICKS_HTTP_PATH", "DATABRICKS_TOKEN",
    "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI", "RETENTION_RAW_DIR", "RETENTION_READERS",
    "RETENTION_REGISTERED_MODEL", "RETENTION_THREADS", "RETENTION_WHEEL",
}  # fmt: skip
_NEEDED = ("host", "http_path", "catalog", "schema")  # of a target on Databricks
_FILES = {  # fields of a task that name a file of the project
    "notebook_task": "notebook_path",
    "spark_python_task": "python_file",
}


@dataclass(frozen=True)
class TaskCheck:
    """Checks of tasks against the files of a project.

    Attributes
    ----------
    bundle : Bundle
    files : DbtFiles
    outputs : mapping
        Targets of profiles.yml.
    commands : callable
        Says what is wrong with a command line of ``retention``; None where nothing is.
    """

    bundle: Bundle
    files: DbtFiles
    outputs: Mapping[str, dict[str, Any]]
    commands: Callable[[Sequence[str]], str | None]

    def is_prefixed(self, output: str) -> bool:
        """Whether the schemas of a target of profiles.yml have the target's own as their prefix."""
        return output != PRODUCTION

    def problems(self, job: Job) -> Iterator[Problem]:
        """What is wrong with the tasks of a job."""
        keys = [str(task.get("task_key")) for task in job.tasks]
        for key in {key for key in keys if keys.count(key) > 1}:
            yield Problem(key, f"two tasks have the key `{key}`", job.where("tasks"))
        yield from _order_problems(job, keys)
        environments = {str(as_mapping(e).get("environment_key")) for e in as_list(job.content.get("environments"))}
        clusters = {str(as_mapping(c).get("job_cluster_key")) for c in as_list(job.content.get("job_clusters"))}
        for task in job.tasks:
            where = job.where("tasks", str(task.get("task_key")))
            for field, known in (("environment_key", environments), ("job_cluster_key", clusters)):
                if field in task and str(task[field]) not in known:
                    yield Problem(str(task[field]), f"the job has no {field} `{task[field]}`", f"{where}.{field}")
            for field in ("timeout_seconds", "max_retries"):
                if field not in task:
                    yield Problem(field, f"the task has no `{field}`", where)
            yield from self._work_problems(job, task, where)

    def _work_problems(self, job: Job, task: dict[str, Any], where: str) -> Iterator[Problem]:
        kinds = [key for key in task if key.endswith("_task")]
        if len(kinds) != 1:
            name = str(task.get("task_key"))
            yield Problem(name, f"the task has {len(kinds)} kinds of work in place of one", where)
        for kind in kinds:
            work, place = as_mapping(task[kind]), f"{where}.{kind}"
            if kind == "dbt_task":
                yield from self._dbt_problems(job, work, place)
            elif kind == "python_wheel_task":
                yield from self._wheel_problems(work, place)
            elif kind in _FILES or kind == "sql_task":
                path = work.get(_FILES[kind]) if kind in _FILES else as_mapping(work.get("file")).get("path")
                if path is not None and self._missing(job, str(path)):
                    yield Problem(str(path), f"the file `{path}` does not exist", place)
            elif kind == "run_job_task" and not str(work.get("job_id", "")).startswith("${resources.jobs."):
                yield Problem(str(work.get("job_id")), f"`{work.get('job_id')}` is no job of the bundle", place)

    def _missing(self, job: Job, path: str) -> bool:
        """Whether a path is none of the project; relative ones begin at the file that has them."""
        if path.startswith("${") and not path.startswith(FILES):
            return True
        inside = path.removeprefix(FILES).lstrip("/") if path.startswith(FILES) else str(job.path.parent / path)
        found = self.bundle.root / (inside or ".")
        return not any(
            candidate.exists() for candidate in (found, found.with_suffix(".py"), found.with_suffix(".ipynb"))
        )

    def _dbt_problems(self, job: Job, work: dict[str, Any], place: str) -> Iterator[Problem]:
        for field, file in (("project_directory", "dbt_project.yml"), ("profiles_directory", "profiles.yml")):
            path = str(work.get(field, ""))
            inside = path.removeprefix(FILES).lstrip("/") if path.startswith(FILES) else str(job.path.parent / path)
            if not path:
                yield Problem(field, f"the task has no `{field}`", place)
            elif not (self.bundle.root / (inside or ".") / file).is_file():
                yield Problem(path, f"`{path}` has no {file}", f"{place}.{field}")
        written = as_list(work.get("commands"))
        if not written:
            yield Problem("commands", "the task has no `commands`", place)
        for number, text in enumerate(written):
            where = f"{place}.commands[{number}]"
            for target in self.bundle.targets:
                command = parse_command(self.bundle.resolved(str(text), target))
                found = [*command.flaws, *self.files.unknown_in(command), *self._dbt_target(command, target)]
                yield from (Problem(name, what, where) for name, what in found)

    def _dbt_target(self, command: DbtCommand, target: str) -> Iterator[tuple[str, str]]:
        if command.name and command.target is None and not command.flaws:
            yield "--target", "the command names no --target, so it would use that of the profile"
        elif command.target is not None:
            yield from self._output_problems(command.target)
        if command.name == "deps" or command.target not in self.outputs:
            return
        # The task gives host and token; what else the target reads, the command must pass as variables.
        for field in ("catalog", "schema", "http_path"):
            name = f"{DATABRICKS}_{field}"
            if name in str(self.outputs[command.target].get(field)) and name not in command.variables:
                yield name, f"--vars does not set `{name}`, which the target {command.target} reads"

    def _output_problems(self, output: str) -> Iterator[tuple[str, str]]:
        if output not in self.outputs:
            yield output, f"profiles.yml has no target `{output}` (it has {', '.join(self.outputs) or 'none'})"
        elif self.outputs[output].get("type") != DATABRICKS:
            yield output, f"the target `{output}` of profiles.yml is not on Databricks"

    def _wheel_problems(self, work: dict[str, Any], place: str) -> Iterator[Problem]:
        package, entry = str(work.get("package_name")), str(work.get("entry_point"))
        if package not in PACKAGE_NAMES:
            yield Problem(package, f"the package `{package}` is not that of the wheel, {PACKAGE_NAMES[1]}", place)
        if entry not in ENTRY_POINTS:
            what = f"the wheel has no entry point `{entry}` (it has {', '.join(ENTRY_POINTS)})"
            yield Problem(entry, what, f"{place}.entry_point")
        parameters = [str(one) for one in as_list(work.get("parameters"))]
        for target in self.bundle.targets:
            filled = [self.bundle.resolved(one, target) for one in parameters]
            try:
                arguments = parse_arguments(filled)
            except UserError as error:
                yield Problem(str(error.where), f"{error.what} ({error.where})", f"{place}.parameters")
                continue
            for name, what in self._argument_problems(arguments, parameters):
                yield Problem(name, what, f"{place}.parameters")

    def _argument_problems(self, arguments: JobArguments, written: Sequence[str]) -> Iterator[tuple[str, str]]:
        output = _option(arguments.command, "--target")
        folder = _option(written, "--project-dir")
        wrong = self.commands(arguments.command)
        if wrong is not None:
            yield " ".join(arguments.command[:1]), wrong
        if output is None:
            yield "--target", "the command names no --target, so it would use that of the profile"
        else:
            yield from self._output_problems(output)
        if folder != FILES:
            yield str(folder), f"--project-dir is `{folder}`, and not {FILES}, where the project is deployed"
        read = env_variables_of(self.outputs.get(output or "", {}))
        known = _ENVIRONMENT | {name for other in self.outputs.values() for name in env_variables_of(other)}
        given = {**arguments.variables, **arguments.secrets}
        for name in given:
            if name not in known:
                yield name, f"nothing reads the environment variable `{name}`"
        fields = self.outputs.get(output or "", {})
        for field in _NEEDED:
            asked = env_variables_of({field: fields.get(field)}) & read
            if asked and not asked & given.keys():
                missing = " or ".join(sorted(asked))
                yield missing, f"the task does not set `{missing}`, from which the target {output} takes its {field}"
        yield from _value_problems(arguments)


def _value_problems(arguments: JobArguments) -> Iterator[tuple[str, str]]:
    """Values of environment variables that cannot be right."""
    for name, value in arguments.variables.items():
        if name in ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET"):
            yield name, f"`{name}` is a secret: pass it by --secrets"
        if name == "RETENTION_WHEEL" and PurePosixPath(value).name != WHEEL:
            yield PurePosixPath(value).name, f"`{value}` is not the wheel of this version, {WHEEL}"
        if name == "RETENTION_REGISTERED_MODEL" and value.count(".") != 2:
            yield value, f"Unity Catalog registers models as catalog.schema.name, not `{value}`"
        if name.startswith("MLFLOW_") and not value.startswith(DATABRICKS):
            yield value, f"`{value}` is no address of MLflow on Databricks (databricks, databricks-uc)"
    models = arguments.variables.get("MLFLOW_REGISTRY_URI")
    if models is not None and models.partition(":")[0] != "databricks-uc":
        yield models, f"models are registered in `{models}`, and not in Unity Catalog (databricks-uc)"
    if "MLFLOW_TRACKING_URI" not in arguments.variables:
        yield "MLFLOW_TRACKING_URI", "the task does not set `MLFLOW_TRACKING_URI`, so models would be lost with it"


def _option(words: Sequence[str], name: str) -> str | None:
    """The value of an option of a command line."""
    for place, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and place + 1 < len(words):
            return words[place + 1]
    return None


def _order_problems(job: Job, keys: Sequence[str]) -> Iterator[Problem]:
    """Dependencies on tasks that are missing, and circles."""
    after = {
        str(task.get("task_key")): [str(as_mapping(one).get("task_key")) for one in as_list(task.get("depends_on"))]
        for task in job.tasks
    }
    for key, others in after.items():
        for other in others:
            if other not in keys:
                yield Problem(other, f"the job has no task `{other}`", job.where("tasks", key, "depends_on"))
    done: set[str] = set()
    while ready := [k for k, others in after.items() if k not in done and not set(others) & after.keys() - done]:
        done.update(ready)
    for key in after.keys() - done:
        yield Problem(key, f"the task `{key}` waits for itself", job.where("tasks", key, "depends_on"))
