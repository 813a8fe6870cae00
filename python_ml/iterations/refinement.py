"""What the next iteration starts from: the recommendations, refined by what the model says about its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.iterations.recommended import is_generated, source_file

if TYPE_CHECKING:
    import yaml

    from python_ml.iterations.feedback import Feedback
    from python_ml.project import Project


@dataclass(frozen=True)
class Refinement:
    """What became of the features that were proposed for exclusion.

    Attributes
    ----------
    file : Path
        ``recommendations.yaml``, or ``retention.yml``.
    proposed : list of str
        Features that are newly proposed.
    decided : list of str
        Features that somebody decided on before; their status stays.
    accepted : bool
        Whether the proposals were accepted.
    """

    file: Path
    proposed: list[str]
    decided: list[str]
    accepted: bool

    @property
    def step(self) -> str:
        """What to do next."""
        if not self.proposed:
            return "No feature is proposed for exclusion."
        listed, generated = ", ".join(self.proposed), self.file.name == "recommendations.yaml"
        if self.accepted:
            then = (
                "Next: retention generate, retention build, retention train" if generated else "Next: retention train"
            )
            return f"Excluded in {self.file.name}: {listed}. {then}."
        how = (
            "accept them with `retention recommend --accept 'gold.customer_features.exclude.*'`"
            if generated
            else f"add them to retention.yml: features: {{exclude: [{listed}]}}"
        )
        return f"Proposed for exclusion: {listed}. To follow, {how}."


def refine(project: Project, feedback: Feedback, number: int, *, accept: bool) -> Refinement:
    """Propose to exclude the features of low value.

    In a project with ``recommendations.yaml`` they become recommendations there; one that was decided on keeps its
    status. In others, they are written to ``features.exclude`` of ``retention.yml`` if they are accepted.

    Parameters
    ----------
    project : Project
    feedback : Feedback
    number : int
        Of the iteration that it comes from.
    accept : bool
        Whether to accept them at once.

    Raises
    ------
    UserError
        When the file cannot be changed.
    """
    if is_generated(project):
        return _refine_recommendations(project, feedback, number, accept=accept)
    excluded = project.settings.features.excluded(feedback.low_value)
    proposed = [name for name in feedback.low_value if name not in excluded]
    file = source_file(project) or project.root / "retention.yml"
    if accept and proposed:
        exclude_features(file, proposed)
    return Refinement(file, proposed, list(excluded), accept)


def _refine_recommendations(project: Project, feedback: Feedback, number: int, *, accept: bool) -> Refinement:
    from python_ml.plan.actions.gold import TABLE, Exclude
    from python_ml.plan.recommendations import FILE, ITERATION, Recommendations

    path = project.root / FILE
    before = Recommendations.read(path)
    shares = {value.feature: value.highest for value in feedback.features}
    proposals, decided = [], []
    for name, reason in feedback.low_value.items():
        one = Exclude.proposal(
            TABLE,
            name,
            f"Iteration {number} found little value in it: {reason}.",
            evidence={ITERATION: number, "highest_share": round(shares[name], 6)},
            features=[name],
            status="accepted" if accept else "proposed",
        )
        old = before.get(one.id)
        if old is None or old.status == "proposed":
            proposals.append(one)
        else:
            decided.append(name)
    replaced = {one.id for one in proposals}
    Recommendations([*(a for a in before if a.id not in replaced), *proposals]).write(path)
    return Refinement(path, [one.subject for one in proposals], decided, accept)


def exclude_features(path: Path, names: Sequence[str]) -> None:
    """Add names to ``features.exclude`` of a ``retention.yml``; every other character stays as it is.

    Raises
    ------
    UserError
        When the file is no YAML, or ``features`` or ``exclude`` is written in a way that cannot be added to.
    """
    from python_ml.files import write_text

    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, _with_names(path, text, names))


def _with_names(path: Path, text: str, names: Sequence[str]) -> str:
    import yaml

    # Each as it is written in a list, where more characters need quotes than elsewhere.
    quoted = [yaml.safe_dump([name], default_flow_style=True, allow_unicode=True, width=10**6)[1:-2] for name in names]
    listed = ", ".join(quoted)
    document = _document(path, text)
    features = _value_of(document, "features")
    if features is None:
        return f"{text.rstrip()}\n\nfeatures:\n  exclude: [{listed}]\n".lstrip()
    if not isinstance(features, yaml.MappingNode) or not features.value:
        raise _not_editable(path, features)
    exclude = _value_of(features, "exclude")
    if exclude is None:
        at = features.value[0][0].start_mark
        separator = ", " if features.flow_style else "\n" + " " * at.column
        return f"{text[: at.index]}exclude: [{listed}]{separator}{text[at.index :]}"
    is_list = isinstance(exclude, yaml.SequenceNode)
    if is_list and exclude.flow_style:
        at = exclude.value[-1].end_mark.index if exclude.value else exclude.start_mark.index + 1
        return f"{text[:at]}{', ' if exclude.value else ''}{listed}{text[at:]}"
    if is_list and exclude.value:
        indent = " " * exclude.start_mark.column
        line = text.find("\n", exclude.value[-1].end_mark.index)
        at = len(text) if line < 0 else line
        return text[:at] + "".join(f"\n{indent}- {name}" for name in quoted) + text[at:]
    if isinstance(exclude, yaml.ScalarNode) and exclude.tag == "tag:yaml.org,2002:null":
        gap = "" if exclude.value else " "
        return f"{text[: exclude.start_mark.index]}{gap}[{listed}]{text[exclude.end_mark.index :]}"
    raise _not_editable(path, exclude)


def _document(path: Path, text: str) -> yaml.Node | None:
    from python_ml.yaml_io import parsed

    if not text:
        return None
    with parsed(path, "settings") as (_, node):
        return node


def _value_of(node: yaml.Node | None, name: str) -> Any:
    pairs = getattr(node, "value", None)
    return next((value for key, value in pairs if key.value == name), None) if isinstance(pairs, list) else None


def _not_editable(path: Path, node: yaml.Node) -> UserError:
    return UserError(
        "The features cannot be added to `features.exclude` as it is written.",
        where=f"{path}, line {node.start_mark.line + 1}",
        hint="write it as a list, such as `features: {exclude: [a, b]}`, or leave out --accept",
    )
