"""Endpoints to be checked: one that is right, and others that are wrong in one thing each."""

import json
import socket
import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus

from statuspush.core.decode import NotAPush, decode
from statuspush.core.kinds import VOICE_STATUS


class Cut(Exception):
    """The connection is to be reset."""


class Right:
    """Does everything as it should; ``echo`` is the file in which it shows what it understood."""

    answer = b"SUCCESS"

    def __init__(self, echo):
        self.echo = echo
        self.seen = set()
        self.lock = threading.Lock()
        self.requests = []
        """Headers by name in lower case, and body, of each POST."""

    def post(self, headers, read):
        """(status, body) of the answer; ``read`` gives the body."""
        body = read()
        self.requests.append((headers, body))
        try:
            reports = self.understand(body)
        except (NotAPush, ValueError, KeyError):
            return self.refuse()
        with self.lock:
            self.keep(reports)
        return 200, self.answer

    def get(self, path):
        if path == "/echo":
            return 200, self.echo.read_bytes()
        return 405, b"POST only"

    def understand(self, body):
        return decode(body, VOICE_STATUS)

    def refuse(self):
        return 400, b"no push"

    def keep(self, reports):
        with self.echo.open("a") as file:
            for report in reports:
                if report["sid"] not in self.seen:
                    self.seen.add(report["sid"])
                    file.write(json.dumps(report) + "\n")


class Quotes(Right):
    answer = b'"SUCCESS"'


class Empty(Right):
    answer = b""


class LowerCase(Right):
    answer = b"success"


class DecodesOnceMore(Right):
    def understand(self, body):
        return json.loads(unquote_plus(parse_qs(body.decode())["voice_status"][0]))


class DecodesOnce(Right):
    def understand(self, body):
        return json.loads(parse_qs(body.decode())["voice_status"][0])


class Limited(Right):
    """As Express does by default."""

    limit = 102_400

    def post(self, headers, read):
        if int(headers["content-length"]) > self.limit:
            read()
            return 413, b"too large"
        return super().post(headers, read)


class LimitedLikeJetty(Limited):
    limit = 200_000


class ResetsWhatIsLarge(Right):
    def post(self, headers, read):
        if int(headers["content-length"]) > 100_000:
            raise Cut
        return super().post(headers, read)


class Hangs(Right):
    """Until the test is over."""

    def __init__(self, echo):
        super().__init__(echo)
        self.over = threading.Event()

    def post(self, headers, read):
        self.over.wait(10)
        raise Cut


class HangsOnRubbish(Hangs):
    post = Right.post

    def refuse(self):
        self.over.wait(10)
        raise Cut


class AlwaysYes(Right):
    def refuse(self):
        return 200, b"SUCCESS"

    def get(self, path):
        return 200, b"SUCCESS"


class Crashes(Right):
    def refuse(self):
        return 500, b"Traceback"


class HandlesTwice(Right):
    def keep(self, reports):
        self.seen.clear()
        super().keep(reports)


class WantsUids(Right):
    def post(self, headers, read):
        body = read()
        if any(report["uid"] is None for report in decode(body, VOICE_STATUS)):
            return 500, b"NullPointerException"
        return super().post(headers, lambda: body)


class SlowAtFirst(Right):
    def post(self, headers, read):
        if not self.requests:
            threading.Event().wait(1.1)
        return super().post(headers, read)


class Unsteady(Right):
    """Fails at the first push of each kind."""

    def post(self, headers, read):
        body = read()
        if headers["x-push-attempt"] == "1" and headers["webhook-id"].endswith("_plain"):
            return 503, b"busy"
        return super().post(headers, lambda: body)


class OneByOne(Right):
    """Holds up everything while it reads a body."""

    def __init__(self, echo):
        super().__init__(echo)
        self.turn = threading.Lock()

    def post(self, headers, read):
        with self.turn:
            return super().post(headers, read)


class Impatient(Right):
    """Refuses a body that is not there at once."""

    def post(self, headers, read):
        if headers["webhook-id"].endswith("_slow"):
            return 408, b"too slow"
        return super().post(headers, read)


class Latin(Right):
    """Reads UTF-8 as something else, where Chinese is not escaped."""

    def understand(self, body):
        return json.loads(parse_qs(body.decode(), encoding="latin-1")["voice_status"][0])


@contextmanager
def serving(endpoint, tls=None):
    """The URL of an endpoint that listens meanwhile; over TLS with a context for it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one segment, else each answer waits for an ACK

        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.answer(lambda: endpoint.post(headers, self.read))

        def do_GET(self):
            self.answer(lambda: endpoint.get(self.path))

        def do_PUT(self):
            self.read()
            self.answer(lambda: endpoint.get(self.path))

        def read(self):
            return self.rfile.read(int(self.headers["Content-Length"]))

        def answer(self, call):
            try:
                status, body = call()
            except Cut:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            except ValueError:
                status, body = 400, b"no push"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request, client_address):
            """The caller went away, which callers may."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/status"
    finally:
        if isinstance(endpoint, Hangs):
            endpoint.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
