"""Writes what it parsed to standard output, one JSON line for each request.

The path is read as a file server of the standard library would: decoded, and
its dot segments resolved.
"""

import json
import posixpath
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self):
        body = self.body()
        if body is None:
            self.close_connection = True
            return
        seen = {
            "method": self.command,
            "target": self.path,
            "path": served(self.path),
            "host": self.headers.get("host", ""),
            "body": body.decode("latin-1"),
            # As CGI has it: "_" and "-" are one.
            "identity": "".join(
                value
                for name, value in self.headers.items()
                if name.lower().replace("_", "-") == "x-auth-sub"
            ),
        }
        print(json.dumps(seen), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            return body if len(body) == length else None
        body = b""
        while True:
            line = self.rfile.readline()
            if not line:
                return None
            size = int(line, 16)
            chunk = self.rfile.read(size)
            if len(chunk) < size:
                return None
            body += chunk
            if size == 0:
                break
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def log_message(self, *_):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)


def served(target):
    path = unquote(target.split("?")[0].split("#")[0], errors="surrogateescape")
    plain = posixpath.normpath(path)
    slash = "/" if path.endswith("/") and plain != "/" else ""
    return "/" + plain.lstrip("/") + slash


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Recorder).serve_forever()
