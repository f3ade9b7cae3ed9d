"""The application: `uvicorn src.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from .messages import BROKER, Messages
from .page import page
from .visits import STORE, count_visit

messages = Messages()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await messages.open()
    yield
    await messages.close()


app = FastAPI(title="{{project}}", lifespan=lifespan)


@app.get("/", response_class=HTMLResponse)
async def home() -> str:
    # The database's client waits, so it runs beside the loop.
    visits = await run_in_threadpool(count_visit)
    return page(visits, STORE, messages.received, BROKER)


# The page is asked for anew, so that loading it again sends nothing.
@app.post("/messages", response_class=RedirectResponse, status_code=303)
async def send() -> str:
    await messages.publish("Hello")
    return "/"


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
