"""Flask: ``flask --app flask_app run``; the platform pushes to ``/voice``.

Mounted beside Flask, not in it: Werkzeug's limit of 500 kB does not hold for it.
"""

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from statuspush.receiver import Receiver

receiver = Receiver("sqlite:///inbox.db")
app = Flask(__name__)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/voice": receiver.wsgi})


@receiver.on_report
def called(report):
    """Runs in a thread after the report is stored and acknowledged."""
    print(f"{report.sid} {report.status} {report.mobile_e164} {report.time}", flush=True)


@app.get("/")
def home():
    """The rest of the application."""
    return "pushes go to /voice"
