"""Flask behind gunicorn, two processes of forty threads: the tutorial."""

import os

import joblib
from flask import Flask, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["MODEL_FILE"])


@app.post("/predict")
def predict():
    """Answer one row."""
    return jsonify(probabilities=model.predict_proba([request.get_json()["input"]])[0].tolist())
