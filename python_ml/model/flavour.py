"""The way a model is stored in MLflow: scikit-learn's flavour, and a ``pyfunc`` that takes raw rows of gold.

A flavour of MLflow is a module with ``save_model``; ``mlflow.models.Model.log`` calls it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml import portable_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.models import Model, ModelSignature

    from python_ml.dbt import Feature
    from python_ml.model.card import ModelCard

# Its own name per format: Python keeps modules by name, and a process may load models of several formats.
LOADER = "customer_retention_model_1"


def save_model(path: str, mlflow_model: Model, sk_model: Any, *, validate_serving_input: bool, **options: Any) -> None:
    """Write the files of a model.

    Parameters
    ----------
    path : str
        Folder to be made.
    mlflow_model : mlflow.models.Model
        Its description, which is completed.
    sk_model : sklearn.ensemble.StackingClassifier
    validate_serving_input : bool
        Read by MLflow, which would otherwise load the model again.
    **options
        As for ``mlflow.sklearn.save_model``.
    """
    import mlflow

    mlflow.sklearn.save_model(sk_model, path, mlflow_model=mlflow_model, **options)
    code = Path(path) / "code"
    code.mkdir()
    shutil.copyfile(portable_model.__file__, code / f"{LOADER}.py")
    mlflow.pyfunc.add_to_model(
        mlflow_model, loader_module=LOADER, code="code", conda_env="conda.yaml", python_env="python_env.yaml"
    )
    mlflow_model.save(str(Path(path) / "MLmodel"))


def signature(card: ModelCard, features: Sequence[Feature]) -> ModelSignature:
    """What the model takes and gives, for MLflow's checks.

    Only floating-point columns are declared as numbers: MLflow converts neither 64-bit integers nor booleans to them,
    and whether pandas holds these as integers or floats depends on whether any is null.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    registered = {feature.name: feature.data_type.lower() for feature in features}
    is_double = {name: kind.startswith(("double", "decimal", "numeric")) for name, kind in registered.items()}
    # Every input may be null: the model imputes, or its trees choose a side.
    inputs = Schema(
        [
            ColSpec(DataType.double if is_double.get(column.name) else AnyType(), column.name, required=False)
            for column in card.columns
        ]
    )
    return ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))
