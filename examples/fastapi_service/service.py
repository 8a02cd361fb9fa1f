"""A FastAPI service whose every answer is in the log, with its label when the outcome becomes known."""

from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression

import backslide as bs

rng = np.random.default_rng(1)
past = rng.normal(size=(500, 2))
model = LogisticRegression().fit(past, past[:, 0] > 0)  # of simulated applications
recorder = bs.Recorder("loans", store="log")


class Application(BaseModel):
    """What is asked about."""

    id: str
    income: float
    age: float


@asynccontextmanager
async def lifespan(app: FastAPI):
    recorder.event("deploy v1")
    yield
    recorder.close()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(application: Application) -> dict[str, float | str]:
    chance = float(model.predict_proba([[application.income, application.age]])[0, 1])
    said = "paid" if chance > 0.5 else "default"
    features = {"income": application.income, "age": application.age}
    recorder.record(
        features=features,
        prediction=said,
        scores={"paid": chance, "default": 1 - chance},
        id=application.id,
        version="v1",
    )
    return {"prediction": said, "paid": chance}


@app.post("/outcome/{id}/{value}")
def outcome(id: str, value: str) -> dict[str, bool]:
    return {"kept": recorder.label(id=id, value=value)}
