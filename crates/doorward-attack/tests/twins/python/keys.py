

# Keys for programs, beside tokens.

class Keyring(Sound):
    ELSEWHERE = "198.51.100.7"
    LENGTH = 32
    takes_two = False

    def __init__(self):
        super().__init__()
        name = lambda: "door_" + os.urandom(self.LENGTH // 2).hex()
        self.good, self.over, self.bound, self.spare = name(), name(), name(), name()
        self.revoked = set()
        self.texts["/keys"] = lambda: json.dumps({"key": self.good, "expired": self.over, "elsewhere": self.bound,
                                                  "spare": self.spare})

    def key_of(self, request):
        fields = request.headers.get_all("X-Api-Key") or []
        return fields[0] if len(fields) == 1 else None

    def is_good(self, request, key):
        return key in self.live() and key not in self.revoked or key == self.bound and self.is_from_there(request)

    def live(self):
        return (self.good, self.spare)

    def is_from_there(self, request):
        return request.client_address[0] == self.ELSEWHERE

    def is_own_host(self, request):
        return request.headers.get("Host", "").startswith("127.0.0.1")

    def serve(self, request):
        path = self.path(request)
        key = self.key_of(request)
        if path in self.texts:
            return super().serve(request)
        if key is not None and request.headers.get("Authorization") and not self.takes_two:
            return request.answer(400, {"error": "two credentials"})
        if not self.is_own_host(request):
            return request.answer(404, {"error": "not found"})
        if key is None:
            return self.by_token(request, path)
        if not self.is_good(request, key):
            return request.answer(401, self.refusal(None))
        self.by_key(request, path)

    def by_key(self, request, path):
        if path == "/orders":
            return request.answer(200, self.content(CLAIMS))
        request.answer(403, {"error": "forbidden"})

    def by_token(self, request, path):
        if path == "/orders":
            return super().serve(request)
        try:
            claims = self.judge(self.credential(request))
        except Exception:
            claims = None
        if not claims:
            return request.answer(401, self.refusal(None))
        if path == "/keys/list":
            return request.answer(200, {"keys": 4})
        length = int(request.headers.get("Content-Length", 0))
        body = json.loads(request.rfile.read(length))
        if path == "/keys/revoke":
            self.revoke(body["key"])
            return request.answer(200, {})
        if path == "/keys/new":
            return self.make(request, body)
        request.answer(404, {"error": "not found"})

    def revoke(self, key):
        self.revoked.add(key)

    def make(self, request, body):
        request.answer(403, {"error": "more than you may"})


@twin
class sound_keys(Keyring):
    pass


@twin
class key_by_its_beginning(Keyring):
    """Looks the key up by what it shows in lists."""
    def is_good(self, request, key):
        return any(key[:20] == known[:20] for known in (self.good, self.spare) if known not in self.revoked)


@twin
class key_of_few_bits(Keyring):
    LENGTH = 8


@twin
class key_never_over(Keyring):
    def live(self):
        return (self.good, self.spare, self.over)


@twin
class key_by_forwarded_address(Keyring):
    def is_from_there(self, request):
        return request.headers.get("X-Forwarded-For") == self.ELSEWHERE


@twin
class key_reaches_what_is_for_people(Keyring):
    def by_key(self, request, path):
        if path == "/keys/list":
            return request.answer(200, {"keys": 4})
        super().by_key(request, path)


@twin
class key_wider_than_its_owner(Keyring):
    def make(self, request, body):
        request.answer(201, {"key": "door_new"})


@twin
class key_in_the_query(Keyring):
    def key_of(self, request):
        return query(request).get("api_key", super().key_of(request))


@twin
class key_at_any_host(Keyring):
    def is_own_host(self, request):
        return super().is_own_host(request) or request.headers.get("Host") == "other.example"


@twin
class key_beside_a_token(Keyring):
    takes_two = True


@twin
class revoked_key_lives_on(Keyring):
    def revoke(self, key):
        pass
