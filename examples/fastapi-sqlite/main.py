"""Notes that survive a release: SQLite on a volume."""

import sqlite3
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI
from pydantic import BaseModel

DATABASE = "/data/notes.db"


class Note(BaseModel):
    text: str


def connect():
    return closing(sqlite3.connect(DATABASE))


@asynccontextmanager
async def lifespan(_: FastAPI):
    with connect() as database:
        database.execute("create table if not exists note (id integer primary key, text text not null)")
        database.commit()
    yield


app = FastAPI(title="Notes", lifespan=lifespan)


@app.get("/healthz")
def healthz():
    with connect() as database:
        database.execute("select 1")
    return {"status": "ok"}


@app.get("/notes")
def read_notes():
    with connect() as database:
        return [text for (text,) in database.execute("select text from note order by id")]


@app.post("/notes", status_code=201)
def write_note(note: Note):
    with connect() as database:
        database.execute("insert into note (text) values (?)", [note.text])
        database.commit()
    return note
