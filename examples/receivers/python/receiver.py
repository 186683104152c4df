# PORT=8080 DATA=/var/reports python3 receiver.py
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, unquote_plus

file = os.open(os.environ["DATA"] + "/reports.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
with open(file, "rb", closefd=False) as stored:
    whole = [line for line in stored if line.endswith(b"\n")]
os.ftruncate(file, sum(map(len, whole)))  # without a line that a crash has torn
sids = {json.loads(line)["sid"] for line in whole}
lock = threading.Lock()


def understood(text):
    """Take encodings off until the text is JSON: senders encode once, twice or three times."""
    for _ in range(5):
        try:
            reports = json.loads(text)
            return reports if isinstance(reports, list) else [reports]
        except ValueError:  # with %20 for a space, + means plus
            text = unquote(text) if "%20" in text else unquote_plus(text)
    raise ValueError("no JSON")


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            body = self.rfile.read(min(int(self.headers["Content-Length"]), 8 << 20)).decode()
            form = dict(pair.partition("=")[::2] for pair in body.split("&"))
            lines = {}
            for report in understood(form["voice_status"]):
                if type(report["sid"]) not in (int, str) or report["sid"] == "":
                    raise ValueError("no sid")
                report["sid"] = str(report["sid"])
                lines.setdefault(report["sid"], json.dumps(report, allow_nan=False) + "\n")
        except Exception:
            return self.send_error(400)
        with lock:
            size = os.fstat(file).st_size
            new = "".join(lines[sid] for sid in lines if sid not in sids).encode()
            try:
                if os.write(file, new) < len(new):
                    raise OSError("the disk is full")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)  # they come again as a whole
                return self.send_error(500)
            sids.update(lines)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"SUCCESS")

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = lambda it: it.send_error(405)


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
