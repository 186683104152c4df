"""A customer as a customer would write one: Flask, waitress, sqlite3, and nothing of ours.

``python flask_customer.py DATABASE`` prints the port it listens on and serves until its standard
input ends. Flask's limits are left at their defaults.
"""

import json
import sqlite3
import sys
import threading

from flask import Flask, request
from waitress.server import create_server


def make_app(database):
    app = Flask(__name__)
    db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE calls (sid TEXT, mobile TEXT, uid TEXT, error_msg TEXT, pushed TEXT)")
    lock = threading.Lock()

    @app.post("/voice_status")
    def voice_status():
        reports = json.loads(request.form["voice_status"])
        push = request.headers.get("webhook-id")
        rows = [(r["sid"], r["mobile"], r["uid"], r["error_msg"], push) for r in reports]
        with lock:
            db.execute("BEGIN")
            db.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")
        return "SUCCESS"

    return app


if __name__ == "__main__":
    server = create_server(make_app(sys.argv[1]), host="127.0.0.1", port=0, threads=4)
    print(server.effective_port, flush=True)
    threading.Thread(target=server.run, daemon=True).start()
    sys.stdin.read()
