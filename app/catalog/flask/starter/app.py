"""The application: `gunicorn app:app`."""

from flask import Flask

from page import page
from visits import STORE, count_visit

app = Flask(__name__)


@app.get("/")
def home() -> str:
    return page(count_visit(), STORE)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}
