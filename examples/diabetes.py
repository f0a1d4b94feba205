"""Trains demo/diabetes: how far will the disease have gone in a year?

    python examples/diabetes.py FOLDER

writes model.onnx and, beside it, schema.json, sample.csv, metrics.json, examples.json and card.md.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NUMBER = {"type": "number", "minimum": 0, "x-tensor": {"dtype": "float32", "shape": []}}
FIELDS: dict[str, dict[str, object]] = {
    "age": {**NUMBER, "description": "Age", "x-unit": "years"},
    "sex": {
        "enum": [1, 2],
        "description": "Sex, as the study coded it; which number is which was not published",
        "x-tensor": NUMBER["x-tensor"],
    },
    "bmi": {**NUMBER, "description": "Body mass index", "x-unit": "kg/m²"},
    "bp": {**NUMBER, "description": "Mean blood pressure", "x-unit": "mmHg"},
    "s1": {**NUMBER, "description": "Total serum cholesterol", "x-unit": "mg/dL"},
    "s2": {**NUMBER, "description": "Low-density lipoproteins", "x-unit": "mg/dL"},
    "s3": {**NUMBER, "description": "High-density lipoproteins", "x-unit": "mg/dL"},
    "s4": {**NUMBER, "description": "Total cholesterol divided by high-density lipoproteins"},
    "s5": {**NUMBER, "description": "Natural logarithm of the serum triglycerides"},
    "s6": {**NUMBER, "description": "Blood sugar", "x-unit": "mg/dL"},
}
OUTPUT = {
    "type": "object",
    "properties": {
        "value": {
            "type": "number",
            "description": "Progression of the disease one year later, on the study's scale of 25 to 346",
        }
    },
    "required": ["value"],
}
CARD = """# Diabetes

Says how far diabetes will have progressed in a year, from ten measures taken today.

**Model.** Ridge regression on standardised inputs (scikit-learn), exported to ONNX.

**Data.** The diabetes data set that comes with scikit-learn: 442 patients, published by Efron, Hastie,
Johnstone and Tibshirani in 2004. Trained on {training_rows} of them.

**Quality.** On the {test_rows} patients held out: R² {r2:.2f}, mean absolute error {mean_absolute_error:.0f}
points of a scale from 25 to 346.

**Limits.** Leaves most of what differs between patients unexplained. A demonstration: not for treatment.
"""


def table() -> tuple[pd.DataFrame, pd.Series]:
    """The measures (442, 10) in their own units, and the progression."""
    data = load_diabetes(as_frame=True, scaled=False)
    return data.data, data.target.rename("progression")


def examples(rows: pd.DataFrame, truths: pd.Series) -> list[dict[str, object]]:
    """The least, the middle and the greatest progression among patients the model has not seen."""
    order = truths.sort_values().index
    chosen = {
        "Little progression": order[0],
        "Moderate progression": order[len(order) // 2],
        "Fast": order[-1],
    }
    return [{"title": title, "input": rows.loc[i].to_dict()} for title, i in chosen.items()]


def main(folder: Path) -> dict[str, float]:
    """Train, measure on held-out rows, and write everything the registry takes."""
    rows, progression = table()
    training, test, training_y, test_y = train_test_split(rows, progression, test_size=0.25, random_state=0)
    scale = ColumnTransformer([("scale", StandardScaler(), list(rows.columns))])
    model: Pipeline = make_pipeline(scale, Ridge())
    model.fit(training, training_y)
    metrics = {
        "r2": float(r2_score(test_y, model.predict(test))),
        "mean_absolute_error": float(mean_absolute_error(test_y, model.predict(test))),
        "training_rows": len(training),
        "test_rows": len(test),
    }
    inputs = [(name, FloatTensorType([None, 1])) for name in rows.columns]
    schema = {"input": {"type": "object", "properties": FIELDS, "required": list(FIELDS)}, "output": OUTPUT}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(to_onnx(model, initial_types=inputs).SerializeToString())
    training.join(training_y).to_csv(folder / "sample.csv", index=False)
    (folder / "schema.json").write_text(json.dumps(schema, indent=2, ensure_ascii=False))
    (folder / "examples.json").write_text(json.dumps(examples(test, test_y), indent=2))
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))
    (folder / "card.md").write_text(CARD.format(**metrics))
    return metrics


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
