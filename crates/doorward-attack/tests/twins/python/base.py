"""A small API with HS256 tokens, by the standard library alone. A twin defines
`check(request)` and is wrong there in one way; whatever it raises is a refusal,
except Crash."""
import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = hashlib.sha256(b"a secret that nobody guesses" + os.urandom(16)).hexdigest().encode()
CLAIMS = {"iss": "https://id.example", "aud": "https://api.example", "sub": "ada",
          "exp": int(time.time()) + 600, "iat": int(time.time()), "jti": "t-1"}
ORDERS = {"orders": [{"id": 7, "item": "door"}]}


class Crash(Exception):
    """Becomes 500."""


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    """Strict: the one spelling of these bytes and no other."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(raw) != text:
        raise ValueError("not canonical")
    return raw


def pairs(items):
    """Refuses duplicate members."""
    if len({name for name, _ in items}) != len(items):
        raise ValueError("duplicate member")
    return dict(items)


def constant(name):
    raise ValueError(name + " is not JSON")


def decode(part):
    return json.loads(unb64(part).decode(), object_pairs_hook=pairs, parse_constant=constant)


def sign(header, claims, secret=None, digest=hashlib.sha256):
    text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
    return text + "." + b64(hmac.new(SECRET if secret is None else secret, text.encode(), digest).digest())


def token():
    return sign({"alg": "HS256", "typ": "at+jwt", "kid": "main"}, CLAIMS)


def verify(text):
    """What a sound server does."""
    if not text.isascii() or len(text) > 8192 or text.count(".") != 2:
        return False
    head, payload, signature = text.split(".")
    header = decode(head)
    if header.get("alg") != "HS256" or header.get("typ") != "at+jwt" or header.get("kid") != "main":
        return False
    if {"crit", "zip", "b64"} & set(header):
        return False
    good = hmac.new(SECRET, (head + "." + payload).encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(good, unb64(signature)):
        return False
    claims = decode(payload)
    return (type(claims["exp"]) is int and claims["exp"] > time.time()
            and type(claims.get("nbf", 0)) is int and claims.get("nbf", 0) <= time.time() + 60
            and isinstance(claims["sub"], str) and claims["sub"] != ""
            and claims["iss"] == CLAIMS["iss"] and claims["aud"] == CLAIMS["aud"])


def bearer(request):
    """The one credential of the one field, or an error."""
    fields = request.headers.get_all("Authorization") or []
    if len(fields) != 1 or request.headers.get("Transfer-Encoding"):
        raise ValueError("not one credential")
    value = fields[0]
    if not value.isascii() or not value.isprintable() or not value.startswith("Bearer "):
        raise ValueError("odd credential")
    return value[7:]


# Further open paths and what makes their text; the twin's own `token` counts.
TEXTS = {"/token": lambda: token(), "/key": lambda: SECRET.decode()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    check = None
    media_type = "application/json"
    cache_control = "no-store"
    challenge = "Bearer"
    type_options = "nosniff"

    def answer(self, status, body, **fields):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", self.media_type)
        self.send_header("Content-Length", str(len(raw)))
        if self.cache_control:
            self.send_header("Cache-Control", self.cache_control)
        if self.type_options:
            self.send_header("X-Content-Type-Options", self.type_options)
        self.send_header("Connection", "close")
        if status == 401 and self.challenge:
            self.send_header("WWW-Authenticate", self.challenge)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def route(self):
        path = self.path.split("?")[0]
        if path in TEXTS:
            return self.answer(200, TEXTS[path]().encode())
        if path != "/orders":
            return self.answer(404, {"error": "not found"})
        try:
            good = type(self).check(self)
        except Crash:
            return self.answer(500, {"error": "internal"})
        except Exception:
            good = False
        if good:
            return self.answer(200, ORDERS)
        return self.answer(401, {"error": "unauthorized"})

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_DELETE = route

    def handle_expect_100(self):
        return True

    def log_message(self, *_):
        pass


def serve(check):
    Handler.check = staticmethod(check)
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
