"""``retention text label``: labels of some texts, and of all others by a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.text.labelling.declaration import TextSource

ENDPOINT, FILE = "endpoint", "file"
FOLDER = "text_labels"  # of the files that people fill in


@click.command("label")
@click.argument("columns", metavar="[TEXT]...", nargs=-1)
@click.option(
    "--labeller",
    metavar="NAME",
    help="Who labels: endpoint, file, or a function as package.module:function.  "
    "[default: endpoint if RETENTION_LABELLER_URL is set, else file]",
)
@click.option("--again", is_flag=True, help="Ask again about texts that came back without a label.")
@project_options(*ENGINES)
def command(project: Project, console: Console, columns: tuple[str, ...], labeller: str | None, again: bool) -> None:
    """Have a sample of texts labelled, and label all others by a classifier.

    TEXT is a source and a column, such as tickets.body; default: all under `text.labels` in retention.yml. A diverse
    sample of texts that were known before training ends is labelled by a server with the API of OpenAI's chat
    completions, by a person in a CSV file, or by a Python function. A calibrated classifier on the embeddings learns
    from it.

    \b
      endpoint    set RETENTION_LABELLER_URL, RETENTION_LABELLER_MODEL and, if needed, RETENTION_LABELLER_KEY. Personal
                  data is masked. A run that was interrupted continues, and pays for no text twice
      file        the first run writes text_labels/TEXT.csv, the second one reads what was filled in

    Reads the texts, their embeddings and retention.yml, so run `retention build` first. Writes text.labels_given,
    text.labels, text.label_models and reports/text_labels.json. Where labels changed that are features, the warehouse
    is built again, except for the scores; then run `retention train`.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage (such as too few labels of a value).

    \b
    Examples:
      retention text label
      retention text label tickets.body --labeller file
      retention text label --labeller my_package.labels:label --json
    """
    import os

    from python_ml.cli.build import rebuild_features
    from python_ml.errors import UserError
    from python_ml.files import write_json
    from python_ml.text.labelling.endpoint import URL

    sources = _sources(project, columns)
    before = _fits(project)
    labeller = labeller or (ENDPOINT if os.environ.get(URL) else FILE)
    results = {name: _labelled(project, console, source, labeller, again) for name, source in sources.items()}
    done = {name: result for name, result in results.items() if "labels" in result}
    if done:
        write_json(project.reports_dir / "text_labels.json", done)
    console.result("\n".join(_summary(result, sources[name]) for name, result in results.items()), results)
    features = {f"{name}.{label}" for name in done for label in sources[name].labels}
    if features & {label for label, _ in before ^ _fits(project)}:
        rebuild_features(project, console)
    refused = [
        (f"{name}, {label}", entry)
        for name, result in done.items()
        for label, entry in result["labels"].items()
        if entry["status"] == "refused"
    ]
    if refused:
        where, first = refused[0]
        others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise UserError(first["reason"], where=where + others, hint=first["hint"])


def _fits(project: Project) -> set[tuple[str, str]]:
    """Labels that are learnt, such as tickets.body.topic, with their digests."""
    from python_ml.text_fits import text_fits
    from python_ml.warehouse import connect

    with connect(project) as connection:
        return {(name, digest) for name, _, digest in text_fits(connection)}


def _sources(project: Project, columns: tuple[str, ...]) -> dict[str, TextSource]:
    """The columns to label, and where their texts are."""
    from python_ml.errors import UserError
    from python_ml.text.labelling.declaration import text_sources

    configured = project.settings.text.labels
    where = project.settings.where("text", "labels")
    if not configured:
        raise UserError(
            "No labels are configured.",
            where=where,
            hint="name a text column, its labels and their values (docs/guides/text_labels.md)",
        )
    known = text_sources(project)
    for name in columns or configured:
        if name not in configured:
            raise UserError(f"{name} has no labels.", where=where, hint=f"choose from {', '.join(configured)}")
        if name not in known:
            raise UserError(
                f"No dbt model makes components of {name}.",
                where=where,
                hint=f"choose from {', '.join(known)}" if known else "write one as docs/guides/text.md shows",
            )
    return {name: known[name] for name in columns or configured}


def _labelled(project: Project, console: Console, source: TextSource, labeller: str, again: bool) -> dict[str, Any]:
    from python_ml.masking import masked
    from python_ml.text.labelling.endpoint import Endpoint
    from python_ml.text.labelling.labellers import FunctionLabeller
    from python_ml.text.labelling.text_column import ask_labeller, ask_person, learn_labels, open_column

    settings = project.settings.text
    scheme = settings.labels[source.text]
    given_by: Any = None
    if labeller == ENDPOINT:
        given_by = Endpoint.from_environment(settings.labelling.timeout, settings.labelling.attempts)
    elif labeller != FILE:
        given_by = FunctionLabeller.named(labeller)
    column = open_column(project, source)
    if given_by is None:
        path = project.root / FOLDER / f"{source.text}.csv"
        if not ask_person(project, column, scheme, path, masked):
            return {"file": str(path)}
    else:
        with console.step(f"Labelling a sample of {source.text}"):
            ask_labeller(project, column, scheme, given_by, masked, again=again, progress=console.progress)
    with console.step(f"Learning labels of {source.text}"):
        return learn_labels(project, column, scheme, FILE if given_by is None else given_by.name)


def _summary(result: dict[str, Any], source: TextSource) -> str:
    """The result in a few lines."""
    from python_ml.formatting import Estimate

    name = source.text
    if "file" in result:
        return f"{name}: fill in {result['file']}, then run the same command again"
    lines = [f"{name}: {result['texts']:,} distinct texts, {result['learnable']:,} known before training ends"]
    if result["unlabelled"]:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in result["unlabelled"].items())
        lines.append(f"  without a label: {reasons}")
    for label, entry in result["labels"].items():
        if entry["status"] == "refused":
            lines.append(f"  {label}: not learnt. {entry['reason']}")
            continue
        accuracy, kappa = (Estimate.read(entry[figure], 2) for figure in ("accuracy", "kappa"))
        lines.append(
            f"  {label}: {entry['texts']:,} labels; on held-out ones accuracy "
            f"{accuracy.text_with_interval}, of the commonest value {entry['commonest']:.2f}; "
            f"kappa {kappa.text_with_interval}"
        )
        for value, figures in entry["classes"].items():
            precision, recall = (Estimate.read(figures[figure], 2).text for figure in ("precision", "recall"))
            lines.append(
                f"    {value}: {figures['labels']} labels, precision {precision}, recall {recall}; "
                f"{entry['values'].get(value, 0):,} texts"
            )
    columns = ", ".join(label for label in result["labels"] if label not in source.labels)
    if columns:
        lines.append(f"  {columns}: no feature yet (text_labels in the Python model, see docs/guides/text_labels.md)")
    return "\n".join(lines)
