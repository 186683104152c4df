"""A receiver as people write it: FastAPI, its form parsing, SQLAlchemy, a commit, SUCCESS.

Run as: byhand_receiver.py PORT, in the directory of its database.
"""

import json
import sys
from typing import Annotated
from urllib.parse import unquote

import uvicorn
from fastapi import Depends, FastAPI, Form, Response
from sqlalchemy import create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

engine = create_engine("sqlite:///received.db", connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def _durable(connection, _record):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")


class Base(DeclarativeBase):
    """Of the one table."""


class VoiceStatus(Base):
    """A report."""

    __tablename__ = "voice_status"
    sid: Mapped[str] = mapped_column(primary_key=True)
    uid: Mapped[str | None]
    user_receive_time: Mapped[str]
    duration: Mapped[int]
    error_msg: Mapped[str | None]
    mobile: Mapped[str]
    report_status: Mapped[str]


Base.metadata.create_all(engine)
app = FastAPI()


def session():
    """One for each request."""
    with Session(engine) as opened:
        yield opened


@app.post("/voice")
def voice(voice_status: Annotated[str, Form()], db: Annotated[Session, Depends(session)]):
    """Decode, insert what is new, commit, answer."""
    try:
        reports = json.loads(voice_status)
    except ValueError:
        reports = json.loads(unquote(voice_status))
    db.execute(insert(VoiceStatus).on_conflict_do_nothing(), reports)
    db.commit()
    return Response("SUCCESS", media_type="text/plain")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
