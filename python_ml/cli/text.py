"""``retention text``: what texts became, and what their components mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli import text_label
from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project

SHOWN = 3  # components whose meaning is shown


@click.group("text")
def command() -> None:
    """Show what texts became; fit their components again; label texts.

    The Python models of dbt embed each distinct text once, and fit principal components on texts that were known
    before validation begins; both are kept in the schema `text` of the warehouse. docs/guides/text.md explains more.

    Reads and writes the warehouse. Each command below has its own --help.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention text status
      retention text refit tickets.body
      retention text label tickets.body
    """


command.add_command(text_label.command)


@command.command("status")
@project_options(*ENGINES)
def status(project: Project, console: Console) -> None:
    """List text columns: embeddings, components, and what the first components mean.

    Reads the schema `text` of the warehouse. Writes nothing. Personal data in the texts is masked.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention text status --json
    """
    from python_ml.warehouse import connect

    with connect(project) as connection:
        facts = _facts(project, connection)
    console.result(_listing(facts), {"texts": facts})


@command.command("refit")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@project_options(*ENGINES)
def refit(project: Project, console: Console, texts: tuple[str, ...]) -> None:
    """Fit the components of text columns again, and rebuild the warehouse.

    TEXT is a source and a column, such as tickets.body. Features of the components mean something else afterwards, so
    `retention train` must follow: until then, scoring is refused. Embeddings are kept.

    Reads text.reductions and what dbt builds from. Writes the warehouse, except for the scores.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention text refit tickets.body
    """
    from python_ml.cli.build import rebuild_features
    from python_ml.errors import UserError
    from python_ml.text.components import REFIT_VARIABLE
    from python_ml.text.store import TextStore
    from python_ml.warehouse import connect

    with connect(project) as connection:
        known = [stored.text for stored in TextStore(connection).reductions()]
    for text in texts:
        if text not in known:
            raise UserError(
                f"{text} has no components.",
                where="text.reductions",
                hint=f"choose from {', '.join(known)}" if known else "run `retention build` first",
            )
    # The earlier components stay until others are fitted.
    rebuild_features(project, console, {REFIT_VARIABLE: ",".join(texts)})
    with connect(project) as connection:
        facts = [one for one in _facts(project, connection) if one["text"] in texts]
    console.result(f"{_listing(facts)}\n\nNow run `retention train`.", {"texts": facts})


def _facts(project: Project, connection: Any) -> list[dict[str, Any]]:
    from python_ml.files import read_json
    from python_ml.text.engines import FIDELITY, find_model, static_folder
    from python_ml.text.store import TextStore
    from python_ml.text_fits import MEANINGS
    from python_ml.warehouse import literal, query_session

    store = TextStore(connection)
    model = find_model(project, project.settings.text)
    measured = static_folder(project, model) / FIDELITY if model else None
    facts = []
    for stored in store.reductions():
        embedded = query_session(connection, f"select count(*) as n from ({store.embedded(stored.model)}) as e")
        meanings = query_session(
            connection,
            f'select * from {MEANINGS} where text = {literal(stored.text)} order by component, "end", kind, rank',
        ).to_pylist()
        is_static = model is not None and stored.model == model.key and model.key.startswith("static:")
        facts.append(
            {
                "text": stored.text,
                "model": stored.model,
                "embedded": embedded["n"][0].as_py(),
                "fitted_before": stored.fitted_before.isoformat(),
                "fitted_on": stored.reduction.texts,
                "components": len(stored.reduction.axes),
                "variance": float(stored.reduction.shares.sum()),
                "digest": stored.reduction.digest,
                "fidelity": read_json(measured, "fidelity of static embeddings", "remove it")
                if is_static and measured.is_file()
                else None,
                "meanings": [{name: row[name] for name in row if name != "text"} for row in meanings],
            }
        )
    return facts


def _listing(facts: list[dict[str, Any]]) -> str:
    if not facts:
        return "No text column has components: build a project with a model that calls text_components."
    from python_ml.text.engines import fidelity_text

    lines = []
    for one in facts:
        lines += [
            f"{one['text']}: model {one['model']}, with {one['embedded']:,} texts embedded in all columns",
            f"  {one['components']} components keep {one['variance']:.0%} of the variance of {one['fitted_on']:,} "
            f"texts known before {one['fitted_before']}",
        ]
        if one["fidelity"]:
            lines.append(f"  {fidelity_text(one['fidelity'])}")
        for number in range(1, min(SHOWN, one["components"]) + 1):
            for end in ("high", "low"):
                of_end = [m for m in one["meanings"] if m["component"] == number and m["end"] == end]
                words = ", ".join(m["value"] for m in of_end if m["kind"] == "word")
                nearest = next((m["value"] for m in of_end if m["kind"] == "text"), "")
                lines.append(f"  pc{number} {end + ':':5} {words or 'no words stand out'}; such as “{nearest[:90]}”")
    return "\n".join(lines)
