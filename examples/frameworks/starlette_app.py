"""Starlette: ``uvicorn starlette_app:app``; the platform pushes to ``/voice``.

A ``Mount`` does as well, but then the URL needs a slash at its end: ``/voice`` would be answered
with a redirect, and the platform follows none.
"""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from statuspush.receiver import Receiver

receiver = Receiver("sqlite:///inbox.db")


@receiver.on_batch(max=500, wait=0.5)
def called(reports):
    """Runs with up to 500 reports, half a second after the first of them at the latest."""
    for report in reports:
        print(f"{report.sid} {report.status} {report.mobile_e164} {report.time}", flush=True)


async def home(request):
    """The rest of the application."""
    return PlainTextResponse("pushes go to /voice")


app = Starlette(routes=[Route("/", home), Route("/voice", receiver.asgi)])
