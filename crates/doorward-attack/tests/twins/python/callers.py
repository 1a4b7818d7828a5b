

# Two callers: ada, whose token is attacked with, and eve.

def query(request):
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


class Shared(Sound):
    """Both callers have orders, each their own."""
    OWNERS = {7: "ada", 8: "eve"}

    def __init__(self):
        super().__init__()
        self.texts["/another"] = lambda: self.token(jti=b64(os.urandom(6)))
        self.lost = set()

    def is_orders(self, request):
        return self.path(request) == "/orders" or self.path(request).startswith("/orders/")

    def order(self, number, sub):
        return {"id": number, "item": "door", "of": sub}

    def rows(self, request, claims):
        return [self.order(number, sub) for number, sub in self.OWNERS.items() if sub == claims["sub"]]

    def one(self, request, claims):
        """The order of the last segment, or none."""
        last = unquote(self.path(request)).removeprefix("/orders/")
        number = int(last) if last in ("7", "8") else None
        return self.order(number, claims["sub"]) if self.OWNERS.get(number) == claims["sub"] else None

    def check_claims(self, claims):
        return super().check_claims(claims) and claims.get("jti") not in self.lost

    def reply(self, request, claims):
        if self.path(request) != "/orders":
            row = self.one(request, claims)
            return request.answer(200, row) if row else request.answer(404, {"error": "not found"})
        request.answer(200, {"orders": self.rows(request, claims)})

    def serve(self, request):
        path = self.path(request)
        if path in self.texts:
            return super().serve(request)
        try:
            claims = self.judge(self.credential(request))
        except Exception:
            claims = None
        if not claims:
            return request.answer(401, self.refusal(None))
        if request.command == "POST":
            length = int(request.headers.get("Content-Length", 0))
            return self.post(request, claims, request.rfile.read(length))
        if path == "/console/users":
            return self.console(request, claims)
        if not self.is_orders(request):
            return request.answer(404, {"error": "not found"})
        self.reply(request, claims)

    def console(self, request, claims):
        if claims["sub"] != "ada":
            return request.answer(403, {"error": "forbidden"})
        request.answer(200, {"users": ["ada", "eve"]})

    def post(self, request, claims, body):
        if self.path(request) == "/revoke":
            about = self.judge(body.decode().removeprefix("token="))
            if about and self.may_revoke(claims, about):
                self.lost.add(about["jti"])
            return request.answer(200, {})
        if self.path(request) == "/orders":
            return self.create(request, claims, json.loads(body))
        request.answer(405, {"error": "no"})

    def may_revoke(self, claims, about):
        return claims["sub"] == about["sub"] and claims.get("tenant") == about.get("tenant")

    def create(self, request, claims, row):
        self.made = getattr(self, "made", [])
        self.made.append((self.tenant_of(claims, row), row["item"]))
        request.answer(200, {"created": True})

    def tenant_of(self, claims, row):
        return claims.get("tenant")


@twin
class sound_shared(Shared):
    pass


@twin
class objects_of_anybody(Shared):
    def one(self, request, claims):
        last = unquote(self.path(request)).removeprefix("/orders/")
        number = int(last) if last in ("7", "8") else None
        return self.order(number, self.OWNERS[number]) if number in self.OWNERS else None


@twin
class all_for_who_asks(Shared):
    def rows(self, request, claims):
        everybody = query(request).get("all") == "true"
        return [self.order(number, sub) for number, sub in self.OWNERS.items() if everybody or sub == claims["sub"]]


@twin
class owner_by_parameter(Shared):
    def rows(self, request, claims):
        owner = query(request).get("owner", claims["sub"])
        return [self.order(number, sub) for number, sub in self.OWNERS.items() if sub == owner]


class Paged(Shared):
    """The cursor tells whose list goes on where."""
    def reply(self, request, claims):
        if self.path(request) != "/orders":
            return super().reply(request, claims)
        cursor = query(request).get("cursor", b64((claims["sub"] + ":0").encode()))
        try:
            owner, start = self.inside(cursor, claims)
            start = int(start)
        except Exception:
            return request.answer(400, {"error": "no such page"})
        rows = [self.order(number, sub) for number, sub in self.OWNERS.items() if sub == owner]
        request.answer(200, {"orders": rows[start:], "next_cursor": b64((owner + ":0").encode())})

    def inside(self, cursor, claims):
        owner, start = unb64(cursor).decode().split(":")
        if owner != claims["sub"]:
            raise ValueError("of somebody else")
        return owner, start


@twin
class sound_pages(Paged):
    pass


@twin
class cursor_is_believed(Paged):
    def inside(self, cursor, claims):
        return unb64(cursor).decode().split(":")


@twin
class cursor_in_a_query_of_sql(Paged):
    def reply(self, request, claims):
        if "'" in query(request).get("cursor", ""):
            return request.answer(500, {"error": "internal"})
        super().reply(request, claims)


@twin
class guard_reads_text_handler_reads_numbers(Shared):
    def one(self, request, claims):
        last = unquote(self.path(request)).removeprefix("/orders/")
        if str({sub: number for number, sub in self.OWNERS.items() if sub != claims["sub"]}.get("eve")) == last:
            return None
        try:
            number = int(last)
        except ValueError:
            return None
        return self.order(number, self.OWNERS[number]) if number in self.OWNERS else None


@twin
class kept_without_the_caller(Shared):
    """A cache behind the check, keyed by the address alone."""
    def __init__(self):
        super().__init__()
        self.kept = {}

    def reply(self, request, claims):
        if "doorward=" not in request.path:
            return super().reply(request, claims)
        request.answer(200, self.kept.setdefault(request.path, {"orders": self.rows(request, claims)}))


@twin
class style_sheets_are_kept(Shared):
    """A cache before the check that believes the ending of a path."""
    def __init__(self):
        super().__init__()
        self.kept = {}

    def serve(self, request):
        if request.path in self.kept:
            return request.answer(200, self.kept[request.path])
        super().serve(request)

    def reply(self, request, claims):
        if request.path.endswith(".css"):
            self.kept[request.path] = {"orders": self.rows(request, claims)}
            return request.answer(200, self.kept[request.path])
        super().reply(request, claims)


@twin
class sound_hosts(Shared):
    """Tenants have names of their own."""
    TENANTS = {"other.example": "other"}

    def reply(self, request, claims):
        host = request.headers.get("Host", "")
        if self.TENANTS.get(host, claims.get("tenant")) != claims.get("tenant"):
            return request.answer(403, {"error": "forbidden"})
        super().reply(request, claims)


@twin
class tenant_by_host_alone(Shared):
    def rows(self, request, claims):
        if request.headers.get("Host") == "other.example":
            claims = {"sub": "eve"}
        return super().rows(request, claims)


@twin
class tenant_by_field(Shared):
    def rows(self, request, claims):
        if request.headers.get("X-Tenant-Id") == "other":
            claims = {"sub": "eve"}
        return super().rows(request, claims)


@twin
class console_for_everybody(Shared):
    def console(self, request, claims):
        request.answer(200, {"users": ["ada", "eve"]})


@twin
class whoever_may_revoke(Shared):
    def may_revoke(self, claims, about):
        return True


class Creating(Shared):
    def rows(self, request, claims):
        made = [{"item": item} for tenant, item in getattr(self, "made", []) if tenant == claims.get("tenant")]
        return super().rows(request, claims) + made


@twin
class sound_creating(Creating):
    pass


@twin
class tenant_by_the_body(Creating):
    def tenant_of(self, claims, row):
        return row.get("tenant_id", claims.get("tenant"))
