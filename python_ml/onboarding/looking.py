"""Looking at raw files: the same way the first time (`init`) and whenever they are looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.rhythm import Choices, check_choices

if TYPE_CHECKING:
    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.static import StaticSpec
    from python_ml.profiling import Findings

PROFILE = "docs/profile"  # in a project: the profile of its raw files


@dataclass(frozen=True)
class Told:
    """What the user said; the flags of `retention init`, without the files.

    Attributes
    ----------
    names : tuple of str
        Source names in the order in which the files were given.
    labels : str or None
        The file of labels; when it is looked at again, the project knows where it is.
    """

    names: tuple[str, ...] = ()
    entity: str | None = None
    time: str | None = None
    target: str | None = None
    positive: str | None = None
    exclude_columns: tuple[str, ...] = ()
    labels: str | None = None
    label_columns: tuple[str, ...] = ()
    val_from: str | None = None
    test_from: str | None = None
    activity: str | None = None
    horizon: str | None = None
    gap: str | None = None
    step: str | None = None
    active_window: str | None = None
    day_first: bool | None = None
    relate: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def choices(self) -> Choices:
        """What was said about time.

        Raises
        ------
        UserError
            When a duration cannot be used.
        """
        choices = Choices(self.horizon, self.gap, self.step, self.active_window)
        check_choices(choices)
        return choices

    @classmethod
    def of(cls, data: dict[str, Any]) -> Told:
        """Read what :func:`python_ml.onboarding.found.write_found` wrote."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})


def look(
    arguments: Sequence[DataArgument],
    told: Told,
    folder: Path,
    *,
    say: Callable[[str], None] = lambda message: None,
    ask: Callable[[StaticSpec], str | None] = lambda static: None,
    keep: Callable[[Findings], object] = lambda findings: None,
) -> Found:
    """Examine raw files, and put every guess in its place.

    Parameters
    ----------
    arguments : sequence of DataArgument
    told : Told
    folder : Path
        Of the project; gives its name.
    say : callable
        Told what goes on.
    ask : callable
        Given a table whose target is in doubt; answers with the value that means leaving, or None.
    keep : callable
        Given the profile of the files.

    Raises
    ------
    UserError
        For every mistake that a file or a flag can hold.
    """
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.reading import scratch_connection
    from python_ml.onboarding.values import measure_values
    from python_ml.profiling import measure_columns, profile_measured

    choices = told.choices
    with scratch_connection() as connection:
        say("reading and measuring the files")
        profiles = examine(connection, list(arguments), entity=told.entity, time=told.time, day_first=told.day_first)
        say("deciding what becomes of them")
        if told.target is None:
            spec: Any = _events(connection, profiles, told, choices, folder)
        else:
            spec, told = _table(connection, profiles, told, folder, ask)
        # Where the labels are, the project knows; a path of this machine is nothing to keep.
        labels = Path(told.labels).name if told.labels else None
        told = replace(told, names=tuple(profile.name for profile in profiles), labels=labels)
        found = Found(spec, {}, asdict(told))
        say("measuring values")
        measured = measure_columns(connection, profiles, say)
        found = replace(found, values=measure_values(connection, measured, found.project, say))
        keep(profile_measured(connection, measured, target=told.target, positive=told.positive, say=say))
        return found


def _events(connection: Any, profiles: list[FileProfile], told: Told, choices: Choices, folder: Path) -> Any:
    from python_ml.onboarding.assembly import assemble

    labels = None
    if told.labels is not None:
        from python_ml.onboarding.label_split import SplitDates
        from python_ml.onboarding.supplied import LabelFile

        dates = SplitDates.parse(told.val_from, told.test_from)
        labels = LabelFile(Path(told.labels), told.label_columns, told.positive, told.day_first, dates)
    return assemble(
        connection,
        profiles,
        folder,
        choices,
        told.activity,
        entity=told.entity,
        relate=told.relate,
        exclude=told.exclude,
        labels=labels,
    )


def _table(
    connection: Any,
    profiles: list[FileProfile],
    told: Told,
    folder: Path,
    ask: Callable[[StaticSpec], str | None],
) -> tuple[StaticSpec, Told]:
    from python_ml.onboarding.static import assemble_static

    def assembled(positive: str | None) -> StaticSpec:
        return assemble_static(
            connection,
            profiles,
            folder,
            told.target,
            positive=positive,
            entity=told.entity,
            horizon=told.horizon,
            exclude=told.exclude_columns,
        )

    static = assembled(told.positive)
    if static.target.doubt and told.positive is None and (chosen := ask(static)) is not None:
        return assembled(chosen), replace(told, positive=chosen)
    return static, told


def look_again(
    found: Found,
    folder: Path,
    say: Callable[[str], None] = lambda message: None,
    keep: Callable[[Findings], object] = lambda findings: None,
) -> Found:
    """Examine the raw files of a project once more, as the user said the first time; see :func:`look`.

    Raises
    ------
    UserError
        When a file is gone, or does not hold what the project needs any more.
    """
    told = Told.of(found.told)
    files = {source.name: source.file.path for source in found.project.sources}
    arguments = [DataArgument(files[name], name) for name in told.names]
    if told.labels is not None:
        told = replace(told, labels=str(files[found.project.supplied.labels.source.name]))
    again = look(arguments, told, folder, say=say, keep=keep)
    # Models keep their names when somebody has renamed the folder.
    project = replace(again.project, name=found.project.name, raw_dir=found.project.raw_dir, paths=found.project.paths)
    return replace(again, spec=again.with_project(project))
