"""Every twin with a sign-in, each on a port of its own. `Service` is right in
everything: sessions that end, refresh tokens that rotate once, wrong passwords
that are counted. A twin is a subclass with one mistake that people make.
Appended to base.py; prints the ports as JSON."""
import secrets, threading
from urllib.parse import parse_qs, unquote

TWINS = {}
OVERLAP = 1.0


def twin(kind):
    TWINS[kind.__name__] = kind
    return kind


class Refused(Exception):
    def __init__(self, status, error, **fields):
        super().__init__(error)
        self.status, self.error, self.fields = status, error, fields


class Family:
    """One session: its refresh tokens in their order."""
    def __init__(self, user, client):
        self.user, self.client, self.alive = user, client, True
        self.id = secrets.token_hex(8)
        self.generation = 0


class Record:
    """One refresh token."""
    def __init__(self, family, scope):
        self.family, self.generation, self.scope = family, family.generation, scope
        self.used_at, self.successor, self.born = None, None, time.time()


class Service:
    def __init__(self):
        self.lock = threading.RLock()
        names = ["ada", "mia"] + ["gina%s" % letter for letter in "abcdefgh"]
        self.passwords = {name: name + "-Pass-9.word" for name in names}
        self.claims_of = {}
        self.families, self.refreshes = {}, {}
        self.failures = {}
        self.mails, self.resets = [], {}
        self.states = {}
        self.clients = {"web": "web-Pass-9.word", "other": "other-Pass-9.word"}

    # Names and passwords.
    def folded(self, name):
        return name.strip().lower()

    def counter(self, name):
        return self.folded(name)

    def address(self, request):
        return request.client_address[0]

    def counters(self, name, address):
        return [(("pair", self.counter(name), address), 10), (("address", address), 100)]

    def reserve(self, name, address):
        """Counts a try before the password is looked at."""
        with self.lock:
            for key, most in self.counters(name, address):
                if self.failures.get(key, 0) >= most:
                    raise Refused(429, "too many attempts", Retry_After="30")
            for key, _ in self.counters(name, address):
                self.failures[key] = self.failures.get(key, 0) + 1

    def clear(self, name, address):
        with self.lock:
            self.failures.pop(("pair", self.counter(name), address), None)
            key = ("address", address)
            self.failures[key] = self.failures.get(key, 1) - 1

    def same(self, stored, given):
        return hmac.compare_digest(stored.encode(), given.encode())

    def hash(self, known):
        """Costs the same whether there is an account or not."""

    def unknown(self):
        return Refused(401, "wrong name or password")

    def check(self, body, request):
        name, address = body["username"], self.address(request)
        self.reserve(name, address)
        stored = self.passwords.get(self.folded(name))
        self.hash(stored is not None)
        if stored is None:
            raise self.unknown()
        if not self.same(stored, body["password"]):
            raise Refused(401, "wrong name or password")
        self.clear(name, address)
        return self.folded(name)

    # Tokens.
    def issuer(self, request):
        return CLAIMS["iss"]

    def access(self, family, scope, request, aud=CLAIMS["aud"]):
        claims = {**CLAIMS, "iss": self.issuer(request), "sub": family.user, "sid": family.id, "aud": aud,
                  "jti": secrets.token_hex(8), "scope": scope, **self.claims_of.get(family.user, {})}
        return sign({"alg": "HS256", "typ": "at+jwt", "kid": "main"}, claims)

    def record(self, family, scope):
        text = secrets.token_urlsafe(24)
        record = Record(family, scope)
        self.refreshes[text] = record
        return text, record

    def granted(self, scope, body):
        """Never more than there was."""
        if body.get("scope"):
            if not set(body["scope"].split()) <= set(scope.split()):
                raise Refused(400, "invalid_scope")
            return body["scope"]
        return scope

    def start(self, user, client, request, more=None):
        with self.lock:
            family = Family(user, client)
            self.families[family.id] = family
            refresh, _ = self.record(family, "orders:read")
            return {"access_token": self.access(family, "orders:read", request), "refresh_token": refresh,
                    "token_type": "Bearer", **(more or {})}

    def find(self, text):
        return self.refreshes.get(text)

    def may_repeat(self, record):
        """The answer was lost: the same one again, and only of the last."""
        recent = time.time() - record.used_at < OVERLAP
        return recent and record.generation == record.family.generation - 1

    def is_its(self, record, client):
        return record.family.client == client

    def rotate(self, record, scope):
        record.family.generation += 1
        record.successor, _ = self.record(record.family, record.scope)
        record.used_at = time.time()

    def refresh(self, body, client, request):
        with self.lock:
            record = self.find(body["refresh_token"])
            if record is None or not record.family.alive or not self.is_its(record, client):
                raise Refused(400, "invalid_grant")
            scope = self.granted(record.scope, body)
            if record.used_at is None:
                self.rotate(record, scope)
            elif not self.may_repeat(record):
                record.family.alive = False
                raise Refused(400, "invalid_grant")
            return {"access_token": self.access(record.family, scope, request),
                    "refresh_token": record.successor, "scope": scope}

    # Sessions.
    def alive(self, claims):
        family = self.families.get(claims.get("sid"))
        return family is not None and family.alive

    def family(self, request):
        text = bearer(request)
        claims = decode(text.split(".")[1])
        if not verify(text) or not self.alive(claims):
            raise Refused(401, "unauthorized")
        return self.families[claims["sid"]]

    def end(self, family):
        family.alive = False

    def end_others(self, user, own):
        for family in self.families.values():
            if family.user == user:
                family.alive = False

    # What is asked.
    def sign_in(self, body, request):
        user = self.check(body, request)
        if user == "mia":
            state = secrets.token_hex(8)
            self.states[state] = 0
            return {"state": state}
        return self.start(user, "first", request, self.chosen(body, user))

    def chosen(self, body, user):
        """Nothing that the caller names."""

    def token(self, body, request):
        client = self.client(body, request)
        if body["grant_type"] == "password":
            return self.start(self.check(body, request), client, request)
        return self.refresh(body, client, request)

    def client(self, body, request):
        field = request.headers.get("Authorization", "")
        if field.startswith("Basic "):
            name, secret = base64.b64decode(field[6:]).decode().split(":")
            name, secret = unquote(name), unquote(secret)
        else:
            name, secret = body.get("client_id"), body.get("client_secret")
        if not secret or self.clients.get(name) != secret:
            raise Refused(401, "invalid_client")
        return name

    def sign_out(self, body, request):
        self.end(self.family(request))
        return {}

    def sign_out_everywhere(self, body, request):
        family = self.family(request)
        self.end_others(family.user, family)
        family.alive = False
        return {}

    def change_password(self, body, request):
        family = self.family(request)
        if self.passwords[family.user] != body["old"]:
            raise Refused(400, "wrong password")
        self.passwords[family.user] = body["new"]
        self.end_others(family.user, family)
        return {}

    def accept(self, name, password):
        if not name.isascii() or not name.replace("-", "").isalnum():
            raise Refused(400, "letters and digits only")
        if len(password) < 12 or len(password) > 500 or "\0" in password or password == name:
            raise Refused(400, "choose another password")

    def sign_up(self, body, request):
        name = self.folded(body["username"])
        self.accept(body["username"].strip(), body["password"])
        if name not in self.passwords:
            self.passwords[name] = body["password"]
            self.made(name, body)
        return {"status": "made, or there already"}

    def made(self, name, body):
        """Takes nothing else of the body."""

    def shown(self, family):
        return ORDERS

    def may_mail(self, name):
        return len([mail for mail in self.mails if mail[0] == name]) < 5

    def link(self, request):
        return "https://id.example/reset"

    def reset_request(self, body, request):
        name = self.folded(body["email"].split("@")[0])
        if name in self.passwords and self.may_mail(name):
            text = secrets.token_hex(12)
            self.resets[text] = name
            self.mails.append((name, f"{self.link(request)}?token={text}\n"))
        return {"status": "if there is such an account, look into your mail"}

    def mail(self, body, request):
        return {"mails": [mail for _, mail in self.mails]}

    def take_reset(self, text):
        with self.lock:
            return self.resets.pop(text, None)

    def reset(self, body, request):
        name = self.take_reset(body["token"])
        if name is None:
            raise Refused(400, "no such token")
        self.passwords[name] = body["new"]
        return {}

    def may_try_code(self, state):
        self.states[state] += 1
        return self.states[state] <= 10

    def code(self, body, request):
        with self.lock:
            if body["state"] not in self.states or not self.may_try_code(body["state"]):
                raise Refused(401, "sign in again")
            raise Refused(401, "wrong code")

    ROUTES = {"/sign-in": "sign_in", "/token": "token", "/sign-out": "sign_out",
              "/sign-out-everywhere": "sign_out_everywhere", "/password": "change_password",
              "/sign-up": "sign_up", "/reset-request": "reset_request", "/reset": "reset", "/mail": "mail",
              "/code": "code"}

    def serve(self, request):
        path = request.path.split("?")[0]
        length = int(request.headers.get("Content-Length") or 0)
        raw = request.rfile.read(length)
        try:
            if path == "/orders":
                return request.answer(200, self.shown(self.family(request)))
            if path == "/refresh":
                return request.answer(200, self.refresh(json.loads(raw), "first", request))
            if path not in self.ROUTES:
                return request.answer(404, {"error": "not found"})
            form = (request.headers.get("Content-Type") or "").startswith("application/x-www-form")
            body = ({name: values[0] for name, values in parse_qs(raw.decode()).items()} if form
                    else json.loads(raw or b"{}"))
            return request.answer(200, getattr(self, self.ROUTES[path])(body, request))
        except Refused as refused:
            return request.answer(refused.status, {"error": refused.error}, **refused.fields)
        except Exception:
            return request.answer(401 if path == "/orders" else 400, {"error": "bad request"})


@twin
class sound(Service):
    pass


@twin
class sound_with_clients(Service):
    pass


@twin
class sound_with_codes(Service):
    pass


# Refresh tokens.

@twin
class used_tokens_stay_good(Service):
    """The overlap has no end."""
    def may_repeat(self, record):
        return record.generation == record.family.generation - 1


@twin
class one_refresh_token_for_ever(Service):
    def rotate(self, record, scope):
        record.successor = next(text for text, known in self.refreshes.items() if known is record)


@twin
class a_retry_makes_a_branch(Service):
    def may_repeat(self, record):
        if super().may_repeat(record):
            record.successor, other = self.record(record.family, record.scope)
            other.generation = record.generation + 1
            return True
        return False


@twin
class rotation_is_two_steps(Service):
    """Looks whether it was used, and only then marks it."""
    def refresh(self, body, client, request):
        record = self.find(body["refresh_token"])
        if record is not None and record.used_at is None and record.family.alive:
            time.sleep(0.05)
            record.used_at = time.time()
            text, _ = self.record(record.family, record.scope)
            record.successor = record.successor or text
            return {"access_token": self.access(record.family, record.scope, request), "refresh_token": text}
        raise Refused(400, "invalid_grant")


@twin
class any_ancestor_within_the_overlap(Service):
    def may_repeat(self, record):
        return time.time() - record.used_at < 30 and record.generation >= record.family.generation - 2


@twin
class order_by_the_clock(Service):
    """Newer is what was not made in an earlier tick of the clock."""
    def may_repeat(self, record):
        newest = max(other.born for other in self.refreshes.values() if other.family is record.family)
        return int(record.born / 600) == int(newest / 600)


@twin
class any_client_refreshes(Service):
    def is_its(self, record, client):
        return True


@twin
class scope_as_asked(Service):
    def granted(self, scope, body):
        return body.get("scope") or scope


@twin
class client_id_is_enough(Service):
    def client(self, body, request):
        if body["grant_type"] == "refresh_token" and not request.headers.get("Authorization"):
            return body["client_id"]
        return super().client(body, request)


@twin
class refresh_token_by_its_beginning(Service):
    def find(self, text):
        return next((record for known, record in self.refreshes.items() if known[:16] == text[:16]), None)


# Sessions.

@twin
class sign_out_forgets_the_access_token(Service):
    def end(self, family):
        family.signed_out = True

    def refresh(self, body, client, request):
        record = self.find(body["refresh_token"])
        if record is not None and hasattr(record.family, "signed_out"):
            raise Refused(400, "invalid_grant")
        return super().refresh(body, client, request)


@twin
class sign_out_forgets_the_refresh_token(Service):
    def end(self, family):
        family.signed_out = True

    def alive(self, claims):
        return super().alive(claims) and not hasattr(self.families[claims["sid"]], "signed_out")


@twin
class everywhere_is_only_here(Service):
    def sign_out_everywhere(self, body, request):
        self.end(self.family(request))
        return {}


@twin
class password_change_keeps_sessions(Service):
    def change_password(self, body, request):
        family = self.family(request)
        if self.passwords[family.user] != body["old"]:
            raise Refused(400, "wrong password")
        self.passwords[family.user] = body["new"]
        return {}


# Accounts.

@twin
class sign_up_takes_everything(Service):
    def made(self, name, body):
        self.claims_of[name] = {key: value for key, value in body.items() if key in ("role", "roles", "is_admin")}


@twin
class sign_up_makes_administrators(Service):
    """Its tokens say nothing of it."""
    def __init__(self):
        super().__init__()
        self.administrators = {}

    def made(self, name, body):
        self.administrators[name] = body.get("admin", False)

    def shown(self, family):
        return {**ORDERS, "for": {"admin": self.administrators.get(family.user, False)}}


@twin
class issuer_from_host(Service):
    def issuer(self, request):
        return CLAIMS["iss"] if request.headers["Host"].startswith("127.") else "https://" + request.headers["Host"]


@twin
class mail_link_from_a_field(Service):
    def link(self, request):
        return "https://" + request.headers.get("X-Forwarded-Host", "id.example") + "/reset"


@twin
class reset_token_stays_good(Service):
    def take_reset(self, text):
        return self.resets.get(text)


@twin
class reset_is_two_steps(Service):
    def may_mail(self, name):
        return True

    def take_reset(self, text):
        name = self.resets.get(text)
        time.sleep(0.05)
        self.resets.pop(text, None)
        return name


@twin
class tenant_as_asked(Service):
    def sign_in(self, body, request):
        user = self.check(body, request)
        with self.lock:
            self.claims_of[user] = {"tenant": body.get("tenant", "home")}
            return self.start(user, "first", request)


@twin
class names_as_they_are_typed(Service):
    def folded(self, name):
        return name

    def accept(self, name, password):
        super().accept("plain", password)


# Guessing.

@twin
class nobody_counts(Service):
    def reserve(self, name, address):
        pass


@twin
class slowed_after_fifty(Service):
    def counters(self, name, address):
        return [(("pair", self.counter(name), address), 50), (("address", address), 100)]


@twin
class owner_is_locked_out(Service):
    def counters(self, name, address):
        return [(("pair", self.counter(name), "anywhere"), 10), (("address", address), 100)]

    def clear(self, name, address):
        super().clear(name, address)
        self.failures.pop(("pair", self.counter(name), "anywhere"), None)


@twin
class counted_afterwards(Service):
    def reserve(self, name, address):
        with self.lock:
            for key, most in self.counters(name, address):
                if self.failures.get(key, 0) >= most:
                    raise Refused(429, "too many attempts", Retry_After="30")
        time.sleep(0.05)
        with self.lock:
            for key, _ in self.counters(name, address):
                self.failures[key] = self.failures.get(key, 0) + 1


@twin
class a_counter_for_each_spelling(Service):
    def counter(self, name):
        return name


@twin
class no_bound_for_an_address(Service):
    def counters(self, name, address):
        return [(("pair", self.counter(name), address), 10)]


@twin
class address_as_forwarded(Service):
    def address(self, request):
        return request.headers.get("X-Forwarded-For") or super().address(request)


@twin
class tells_who_is_there(Service):
    def unknown(self):
        return Refused(401, "no such account")


@twin
class hashes_only_for_accounts(Service):
    def hash(self, known):
        if known:
            time.sleep(0.06)


@twin
class nobody_is_never_slowed(Service):
    def reserve(self, name, address):
        if self.folded(name) in self.passwords:
            super().reserve(name, address)


@twin
class codes_are_not_counted(Service):
    def may_try_code(self, state):
        return True


@twin
class cut_at_72_bytes(Service):
    def same(self, stored, given):
        return super().same(stored[:72], given[:72])


@twin
class any_password_will_do(Service):
    def accept(self, name, password):
        super().accept(name, "Long-9.enough")


@twin
class mails_without_end(Service):
    def may_mail(self, name):
        return True


def handler(kind):
    api = kind()

    class TwinHandler(Handler):
        def route(self):
            if self.path == "/token" and self.command == "GET":
                user = type("", (), {"headers": self.headers, "client_address": self.client_address})
                return self.answer(200, api.start("ada", "first", user)["access_token"].encode())
            api.serve(self)

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_DELETE = route

    return TwinHandler


def serve_all():
    ThreadingHTTPServer.request_queue_size = 256
    ThreadingHTTPServer.daemon_threads = True
    ports = {}
    for name, kind in TWINS.items():
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(kind))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports[name] = server.server_port
    print(json.dumps(ports), flush=True)
    # Ends with the test that holds the other end.
    sys.stdin.read()


serve_all()
