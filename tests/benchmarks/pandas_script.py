"""The plain script that a batch file is held against. Usage: python pandas_script.py MODEL INPUT OUTPUT."""

import sys

import joblib
import pandas as pd

model, rows = joblib.load(sys.argv[1]), pd.read_csv(sys.argv[2])
scores = model.predict_proba(rows)
answers = rows.assign(**{f"probability_{name}": scores[:, i] for i, name in enumerate(model.classes_)})
answers.to_csv(sys.argv[3], index=False)
