"""FastAPI: ``uvicorn fastapi_app:app``; the platform pushes to ``/voice``."""

from contextlib import asynccontextmanager

from fastapi import FastAPI

from statuspush.receiver import Receiver

receiver = Receiver("sqlite:///inbox.db")


@receiver.on_report
async def called(report):
    """Runs after the report is stored and acknowledged, and again until it returns."""
    print(f"{report.sid} {report.status} {report.mobile_e164} {report.time}", flush=True)


@asynccontextmanager
async def lifespan(app):
    """Handlers run on the application's own event loop."""
    async with receiver:
        yield


app = FastAPI(lifespan=lifespan)
app.router.add_route("/voice", receiver.asgi)


@app.get("/")
def home():
    """The rest of the application."""
    return {"pushes go to": "/voice"}
