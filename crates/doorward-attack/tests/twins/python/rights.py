

# What a signer may claim.

class Scoped(Sound):
    more_claims = {"scope": "profile orders:read"}

    def check_claims(self, claims):
        return super().check_claims(claims) and self.check_scope(claims)

    def check_scope(self, claims):
        return type(claims["scope"]) is str and "orders:read" in claims["scope"].split(" ")


@twin
class sound_scopes(Scoped):
    pass


@twin
class scope_by_its_beginning(Scoped):
    def check_scope(self, claims):
        return any(word.startswith("orders:read") for word in claims["scope"].split(" "))


@twin
class scope_somewhere_in_the_text(Scoped):
    def check_scope(self, claims):
        return "orders:read" in claims["scope"]


@twin
class scope_without_case(Scoped):
    def check_scope(self, claims):
        return "orders:read" in claims["scope"].lower().split(" ")


@twin
class scope_is_a_pattern(Scoped):
    def check_scope(self, claims):
        return any(fnmatch.fnmatchcase("orders:read", word) for word in claims["scope"].split(" "))


@twin
class parents_of_a_permission(Scoped):
    """A role named like the first segment gets everything below."""
    more_claims = {"scope": None, "permissions": ["orders:read"]}

    def check_scope(self, claims):
        return any(word and ("orders:read" + ":").startswith(word + ":") for word in claims["permissions"])


class SignedIn(Sound):
    more_claims = {"acr": "2", "amr": ["pwd", "otp"], "auth_time": NOW}

    def check_claims(self, claims):
        return (super().check_claims(claims) and self.check_acr(claims) and self.check_amr(claims)
                and self.check_auth_time(claims))

    def check_acr(self, claims):
        return claims["acr"] == "2"

    def check_amr(self, claims):
        return "otp" in claims["amr"]

    def check_auth_time(self, claims):
        return type(claims["auth_time"]) is int and -60 < time.time() - claims["auth_time"] < 600


@twin
class sound_step_up(SignedIn):
    pass


@twin
class auth_time_never_old(SignedIn):
    def check_auth_time(self, claims):
        return claims["auth_time"] is not None


@twin
class acr_by_its_beginning(SignedIn):
    def check_acr(self, claims):
        return str(claims["acr"]).startswith("2")


@twin
class amr_only_there(SignedIn):
    def check_amr(self, claims):
        return bool(claims["amr"])


class TwoIssuers(Sound):
    SISTER = "https://sister.example"
    keys = {CLAIMS["iss"]: SECRET, SISTER: os.urandom(32)}

    def judge(self, text):
        head, payload, signature = self.parts(text)
        header, claims = self.header(head), self.payload(payload)
        if not self.check_header(header) or not self.check_claims(claims):
            return None
        good = hmac_module.new(self.key_of(claims), (head + "." + payload).encode(), hashlib.sha256).digest()
        return claims if hmac.compare_digest(good, unb64(signature)) else None

    def check_iss(self, claims):
        return claims["iss"] in self.keys

    def key_of(self, claims):
        return self.keys[claims["iss"]]


@twin
class sound_two_issuers(TwoIssuers):
    pass


@twin
class any_key_for_any_issuer(TwoIssuers):
    """Both issuers call their key `main`; the first of the name is taken."""
    def key_of(self, claims):
        return next(iter(self.keys.values()))
