

# An API with a description of itself, and a gateway that tells who calls.

class Described(Sound):
    SECURED = [{"token": []}]

    def __init__(self):
        super().__init__()
        self.profile = {"id": 7, "name": "Ada", "role": "reader"}
        self.texts["/openapi.json"] = lambda: json.dumps(self.description())

    def description(self):
        name = {"type": "object", "properties": {"name": {}, "id": {"readOnly": True}}}
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Profile"}}}}
        number = {"name": "id", "in": "path", "required": True, "example": 7}
        return {"openapi": "3.1.0", "security": self.SECURED, "paths": {
            "/orders": {"get": {}},
            "/health": {"get": {"security": []}},
            "/profiles/{id}": {"parameters": [number], "get": {}, "patch": {"requestBody": body}},
            "/admin/users": {"get": {}},
            "/reports": {"get": {"security": [{"token": ["reports:read"]}]}},
        }, "components": {"schemas": {"Profile": name}}}

    def serve(self, request):
        path = self.path(request)
        if path in self.texts or path == "/orders":
            return super().serve(request)
        if path == "/health":
            return request.answer(200, {"up": True})
        try:
            claims = self.judge(self.credential(request))
        except Exception:
            claims = None
        if not claims:
            return self.stranger(request, path)
        if path == "/profiles/7" and request.command == "PATCH":
            length = int(request.headers.get("Content-Length", 0))
            try:
                self.change(json.loads(request.rfile.read(length)))
            except Exception:
                return request.answer(400, {"error": "no"})
            return request.answer(200, {})
        if path == "/profiles/7":
            return request.answer(200, self.shown(request))
        if path == "/admin/users" and self.is_admin(claims):
            return request.answer(200, {"users": ["ada"]})
        if path == "/reports" and self.may_report(claims):
            return request.answer(200, {"reports": []})
        request.answer(403, {"error": "forbidden"})

    def stranger(self, request, path):
        request.answer(401, self.refusal(None))

    def change(self, body):
        self.profile["name"] = body["name"]

    def shown(self, request):
        return self.profile

    def is_admin(self, claims):
        return claims["sub"] == "ada"

    def may_report(self, claims):
        return "reports:read" in claims.get("scope", "").split(" ")


@twin
class sound_described(Described):
    pass


@twin
class route_without_a_guard(Described):
    def stranger(self, request, path):
        if path == "/reports":
            return request.answer(200, {"reports": []})
        super().stranger(request, path)


@twin
class scope_not_asked_for(Described):
    def may_report(self, claims):
        return True


@twin
class everybody_is_admin(Described):
    def is_admin(self, claims):
        return True


@twin
class profile_takes_every_member(Described):
    def change(self, body):
        self.profile.update(body)


@twin
class includes_what_is_hidden(Described):
    def shown(self, request):
        if query(request).get("include") == "all":
            return {**self.profile, "password_hash": "$argon2id$"}
        return self.profile


class Telling(Sound):
    """The gateway tells the API behind who calls."""
    def kept_fields(self, request):
        return {"accept": request.headers.get("accept"), **self.identity(request)}

    def identity(self, request):
        return {"x-user-id": "ada"}


@twin
class sound_telling(Telling):
    pass


@twin
class identity_named_in_connection(Telling):
    """Removes hop-by-hop fields last."""
    def identity(self, request):
        named = request.headers.get("Connection", "").lower().replace(" ", "").split(",")
        return {name: value for name, value in super().identity(request).items() if name not in named}


@twin
class only_the_first_is_removed(Telling):
    def identity(self, request):
        rest = (request.headers.get_all("X-User-Id") or [])[1:]
        return {"x-user-id": ", ".join(["ada", *rest])}
