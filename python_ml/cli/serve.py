"""``retention serve``: scores with reasons over HTTP."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, project_options

if TYPE_CHECKING:
    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.serving.features import FeatureSource
    from python_ml.serving.service import Service

EXTRA = ("fastapi", "prometheus_client", "uvicorn")
WAREHOUSE, ONLINE = "warehouse", "online"


@click.command("serve")
@click.option("--host", metavar="ADDRESS", help="Where to listen.  [default: serve.host in retention.yml, 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port; 0 takes a free one.  [default: serve.port in retention.yml, 8000]",
)
@click.option(
    "--features",
    type=click.Choice((WAREHOUSE, ONLINE)),
    default=WAREHOUSE,
    show_default=True,
    help="Where features come from: gold.gld_scoring_set, or the online store of `retention features`.",
)
@project_options("duckdb")
def command(project: Project, console: Console, host: str | None, port: int | None, features: str) -> None:
    """Serve scores with reasons over HTTP.

    GET /v1/customers/ID/score answers with the churn probability, risk band and reasons of a customer; POST /v1/scores
    with those of several; /health, /ready and /metrics are for operations. Where RETENTION_SERVE_TOKEN is set, requests
    need it as a bearer token. A new champion and new features are taken without a restart. SIGTERM ends the server when
    its requests are answered.

    Reads the champion and gold.gld_scoring_set, or what `retention features publish` and `push` wrote. Writes nothing.
    Needs pip install 'customer-retention[serve]'.

    Exit codes: 0 stopped by a signal, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention serve --port 8080
      retention serve --features online
    """
    settings = project.settings.serve
    _require_extra()
    from python_ml.serving.server import TOKEN_VARIABLE, serve, token_of_environment

    host = host or settings.host
    if not _is_local(host) and token_of_environment() is None:
        console.warn(f"anybody who reaches {host} gets scores: set {TOKEN_VARIABLE}")

    def started(address: str, service: Service) -> None:
        champion = service.champion
        console.result(
            f"Serving {champion.card.model} version {champion.version} on {address} (Ctrl+C ends it)",
            {"address": address, "model_name": champion.card.model, "model_version": champion.version},
        )

    serve(project, SOURCES[features], host, settings.port if port is None else port, started)


def _from_warehouse(project: Project, champion: Champion) -> FeatureSource:
    from python_ml.serving.features import WarehouseFeatures

    return WarehouseFeatures(project, champion.card.inputs)


def _from_online_store(project: Project, champion: Champion) -> FeatureSource:
    from python_ml.errors import UserError
    from python_ml.feature_store.champion_inputs import ChampionInputs
    from python_ml.feature_store.feast_store import FeastStore
    from python_ml.serving.features import FeaturesUnavailableError

    if project.settings.feature_store.backend != "feast":
        raise UserError(
            "Features are served from an online store in the project's folder only.",
            where="feature_store.backend in retention.yml",
            hint="set it to feast, or leave --features out",
        )
    return ChampionInputs(
        FeastStore(project).online_features, champion.card.inputs, unavailable=FeaturesUnavailableError
    )


SOURCES = {WAREHOUSE: _from_warehouse, ONLINE: _from_online_store}


def _require_extra() -> None:
    import importlib.util

    from python_ml.errors import UserError

    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"Serving needs packages that are not installed: {', '.join(missing)}.",
            hint="pip install 'customer-retention[serve]'",
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
