"""Sound APIs with the libraries that people use, as their guides say.

    python stacks.py PORT

STACK, set before this text, is `pyjwt` (RS256, http.server) or `joserfc`
(ES256, WSGI)."""
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

NOW = int(time.time())
ISSUER, AUDIENCE = "https://id.example", "https://api.example"
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": NOW, "exp": NOW + 900, "jti": "t-1"}
REQUIRED = ["iss", "aud", "sub", "exp", "iat", "jti"]


class PyJwt:
    def __init__(self):
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        self.jwt = jwt
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = private.public_key()
        self.key = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()).decode()
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.public))
        self.jwks = json.dumps({"keys": [{**jwk, "kid": "main", "alg": "RS256", "use": "sig"}]})
        self.token = jwt.encode(CLAIMS, private, algorithm="RS256", headers={"typ": "at+jwt", "kid": "main"})

    def check(self, token):
        whole = self.jwt.decode_complete(token, self.public, algorithms=["RS256"], issuer=ISSUER, audience=AUDIENCE,
                                         options={"require": REQUIRED})
        if whole["header"].get("typ") != "at+jwt":
            raise ValueError("not an access token")
        return whole["payload"]


class JoseRfc:
    def __init__(self):
        from joserfc import jwt
        from joserfc.jwk import ECKey
        self.jwt = jwt
        self.private = ECKey.generate_key("P-256", {"kid": "main", "alg": "ES256", "use": "sig"})
        self.key = self.private.as_pem(private=True).decode()
        self.jwks = json.dumps({"keys": [self.private.as_dict(private=False)]})
        self.token = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "main"}, CLAIMS, self.private,
                                algorithms=["ES256"])
        essential = {name: {"essential": True} for name in REQUIRED}
        essential["iss"]["value"], essential["aud"]["value"] = ISSUER, AUDIENCE
        self.rules = jwt.JWTClaimsRegistry(**essential)

    def check(self, token):
        whole = self.jwt.decode(token, self.private, algorithms=["ES256"])
        if whole.header.get("typ") != "at+jwt":
            raise ValueError("not an access token")
        self.rules.validate(whole.claims)
        return whole.claims


def answer(library, path, authorization):
    """Status and text."""
    if path in ("/token", "/key", "/jwks"):
        return 200, getattr(library, path[1:])
    if path != "/orders":
        return 404, '{"error": "not found"}'
    scheme, _, token = (authorization or "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise ValueError("no bearer token")
        claims = library.check(token.strip())
    except Exception:
        return 401, '{"error": "unauthorized"}'
    return 200, json.dumps({"orders": [{"id": 7, "item": "door", "of": claims["sub"]}]})


def fields(status):
    challenge = [("WWW-Authenticate", "Bearer")] if status == 401 else []
    return challenge + [("Content-Type", "application/json"), ("Cache-Control", "no-store"),
                        ("X-Content-Type-Options", "nosniff")]


class Plain(BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = answer(self.library, self.path.split("?")[0], self.headers.get("Authorization"))
        self.send_response(status)
        for name, value in fields(status):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def application(library):
    def call(environ, start):
        status, text = answer(library, environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION"))
        start({200: "200 OK", 401: "401 Unauthorized", 404: "404 Not Found"}[status], fields(status))
        return [text.encode()]

    return call


port = int(sys.argv[1])
if STACK == "pyjwt":
    Plain.library = PyJwt()
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", port), Plain).serve_forever()
else:
    make_server("127.0.0.1", port, application(JoseRfc()), Threaded, Quiet).serve_forever()
