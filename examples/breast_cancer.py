"""Trains demo/breast-cancer: is a breast tumour malignant or benign?

    python examples/breast_cancer.py FOLDER

writes model.joblib and, beside it, schema.json, sample.csv, metrics.json, examples.json and card.md.
"""

import json
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

# The ten measures; the table holds the mean, standard error and worst value of each over the nuclei.
MEASURES = {
    "radius": "distance from the centre of the nucleus to its outline",
    "texture": "standard deviation of the grey values",
    "perimeter": "length of the outline",
    "area": "area of the nucleus",
    "smoothness": "local variation of the radius",
    "compactness": "perimeter² / area - 1",
    "concavity": "depth of the concave parts of the outline",
    "concave points": "how many parts of the outline are concave",
    "symmetry": "how alike the two sides are",
    "fractal dimension": "coastline approximation - 1",
}
STATISTICS = {
    "mean": "Mean over the cell nuclei of the {}: {}.",
    "error": "Standard error over the cell nuclei of the {}: {}.",
    "worst": "Mean of the three largest values over the cell nuclei of the {}: {}.",
}
CARD = """# Breast cancer

Says whether a breast tumour is malignant or benign, from 30 measures of the cell nuclei in a fine-needle
aspirate.

**Model.** Logistic regression on standardised inputs (scikit-learn).

**Data.** The Breast Cancer Wisconsin (Diagnostic) data set that comes with scikit-learn: 569 tumours, 212 of
them malignant, published by Wolberg, Street and Mangasarian in 1995. Trained on {training_rows} of them.

**Quality.** On the {test_rows} tumours held out: accuracy {accuracy:.1%}, area under the ROC curve
{roc_auc:.3f}.

**Limits.** One hospital, with the tools of its time; lengths and areas are in the units of its images. A
demonstration: not for diagnosis.
"""


def table() -> tuple[pd.DataFrame, pd.Series]:
    """The measures (569, 30) and the diagnoses in words."""
    data = load_breast_cancer(as_frame=True)
    return data.data, data.target.map(dict(enumerate(map(str, data.target_names)))).rename("diagnosis")


def schema(columns: pd.Index) -> dict[str, object]:
    """What the thirty numbers are; what range each has shows in the sample."""
    properties = {name: {"type": "number", "description": described(name), "minimum": 0} for name in columns}
    return {"type": "object", "properties": properties, "required": list(columns)}


def described(column: str) -> str:
    """A column such as "worst radius" or "radius error", in a sentence."""
    statistic, _, measure = column.partition(" ")
    if column.endswith(" error"):
        statistic, measure = "error", column.removesuffix(" error")
    return STATISTICS[statistic].format(measure, MEASURES[measure])


def examples(rows: pd.DataFrame, truths: pd.Series) -> list[dict[str, object]]:
    """Three tumours the model has not seen."""
    chosen = [truths[truths == "malignant"].index[0], *truths[truths == "benign"].index[:2]]
    return [{"title": f"A {truths[i]} tumour", "input": rows.loc[i].to_dict()} for i in chosen]


def main(folder: Path) -> dict[str, float]:
    """Train, measure on held-out rows, and write everything the registry takes."""
    rows, diagnoses = table()
    training, test, training_y, test_y = train_test_split(
        rows, diagnoses, test_size=0.25, stratify=diagnoses, random_state=0
    )
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(training, training_y)
    malignant = model.predict_proba(test)[:, list(model.classes_).index("malignant")]
    metrics = {
        "accuracy": float(accuracy_score(test_y, model.predict(test))),
        "roc_auc": float(roc_auc_score(test_y == "malignant", malignant)),
        "training_rows": len(training),
        "test_rows": len(test),
    }
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    training.join(training_y).to_csv(folder / "sample.csv", index=False)
    (folder / "schema.json").write_text(json.dumps(schema(rows.columns), indent=2, ensure_ascii=False))
    (folder / "examples.json").write_text(json.dumps(examples(test, test_y), indent=2))
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))
    (folder / "card.md").write_text(CARD.format(**metrics))
    return metrics


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
