"""The application: `uvicorn src.main:app`."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from .page import page
from .visits import STORE, count_visit

app = FastAPI(title="{{project}}")


# Not `async`: the database's client waits, so FastAPI runs it beside the loop.
@app.get("/", response_class=HTMLResponse)
def home() -> str:
    return page(count_visit(), STORE)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
