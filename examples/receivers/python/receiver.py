# PORT=8080 DATA=/var/reports python3 receiver.py
# The database is what counts; reports.jsonl is a copy to read along, made anew at each start.
import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, unquote_plus

INSERT = "INSERT OR IGNORE INTO reports VALUES (?, ?)"
lock = threading.Lock()
database = sqlite3.connect(os.environ["DATA"] + "/reports.db", check_same_thread=False)
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE IF NOT EXISTS reports (sid TEXT PRIMARY KEY, report BLOB)")
with open(os.environ["DATA"] + "/reports.jsonl", "wb") as copy:
    copy.writelines(line for (line,) in database.execute("SELECT report FROM reports"))
copy = os.open(copy.name, os.O_WRONLY | os.O_APPEND)


def understood(text):
    """Take encodings off until the text is JSON: senders encode once, twice or three times."""
    for _ in range(5):
        try:
            reports = json.loads(text)
        except ValueError:
            # With %20 for a space, + means plus.
            text = unquote(text) if "%20" in text else unquote_plus(text)
        else:
            return reports if isinstance(reports, list) else [reports]
    raise ValueError("no JSON")


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 8 << 20))
            rows, form = {}, dict(pair.partition(b"=")[::2] for pair in body.split(b"&"))
            for report in understood(form[b"voice_status"].decode()):
                if type(report["sid"]) not in (int, str) or report["sid"] == "":
                    raise ValueError("no sid")
                report["sid"] = str(report["sid"])
                rows.setdefault(report["sid"], json.dumps(report).encode() + b"\n")
        except Exception as error:
            return self.answer(400, f"not a push: {error!r}")
        with lock:
            size = os.fstat(copy).st_size
            try:
                with database:  # a transaction
                    new = [row[1] for row in rows.items() if database.execute(INSERT, row).rowcount]
                    if os.write(copy, b"".join(new)) < sum(map(len, new)):
                        raise OSError("the disk is full")
            except Exception as error:
                os.ftruncate(copy, size)
                return self.answer(500, f"not stored: {error}")
        self.answer(200, "SUCCESS")

    def do_GET(self):
        self.answer(405, "only POST")

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
