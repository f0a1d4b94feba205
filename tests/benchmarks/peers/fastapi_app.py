"""FastAPI behind uvicorn, two processes."""

import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL_FILE"])


class Question(BaseModel):
    """Thirty numbers."""

    input: list[float]


class Answer(BaseModel):
    """The probability of each class."""

    probabilities: list[float]


# No `async`: a model that computes would hold the event loop; so it runs in FastAPI's threads.
@app.post("/predict")
def predict(question: Question) -> Answer:
    """Answer one row."""
    return Answer(probabilities=model.predict_proba([question.input])[0].tolist())
