

# A token that is bound to a key, and the proofs of it (RFC 9449).

class Bound(Sound):
    needs_keys = True
    private = ec and ec.generate_private_key(ec.SECP256R1())

    def __init__(self):
        super().__init__()
        self.used = set()
        self.texts["/proof-key"] = lambda: Keyed.key(self)

    def jwk(self):
        return json.loads(Elliptic.jwks(self))["keys"][0]

    def thumbprint(self, jwk):
        text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        return b64(hashlib.sha256(text.encode()).digest())

    def claims(self):
        return {**super().claims(), "cnf": {"jkt": self.thumbprint(self.jwk())}}

    def credential(self, request):
        fields = request.headers.get_all("Authorization") or []
        if len(fields) != 1 or request.headers.get("Transfer-Encoding"):
            raise ValueError("not one credential")
        if not fields[0].isascii() or not fields[0].isprintable():
            raise ValueError("odd credential")
        return self.proven(request, *fields[0].split(" ", 1))

    def proven(self, request, scheme, text):
        if scheme != "DPoP":
            raise ValueError("bound")
        proofs = self.proofs(request)
        self.check_proof(request, text, *proofs[0].split("."))
        return text

    def proofs(self, request):
        proofs = request.headers.get_all("DPoP") or []
        if len(proofs) != 1:
            raise ValueError("not one proof")
        return proofs

    def check_proof(self, request, text, head, payload, signature):
        header, claims = decode(head), decode(payload)
        jwk = header["jwk"]
        if not self.check_proof_header(header) or "d" in jwk:
            raise ValueError("odd header")
        self.check_proof_signature(jwk, (head + "." + payload).encode(), unb64(signature))
        if not all([self.check_key(text, jwk), self.check_address(request, claims), self.check_hash(text, claims),
                    self.check_time(claims), self.check_id(claims)]):
            raise ValueError("another proof")

    def check_proof_header(self, header):
        return header["alg"] == "ES256" and header["typ"] == "dpop+jwt"

    def check_proof_signature(self, jwk, text, signature):
        point = ec.EllipticCurvePublicNumbers(number(unb64(jwk["x"])), number(unb64(jwk["y"])), ec.SECP256R1())
        r, s = number(signature[:32]), number(signature[32:])
        point.public_key().verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))

    def check_key(self, text, jwk):
        return decode(text.split(".")[1])["cnf"]["jkt"] == self.thumbprint(jwk)

    def check_address(self, request, claims):
        host, path = request.headers.get("Host"), request.path.split("?")[0]
        return claims["htm"] == request.command and claims["htu"] == "http://" + host + path

    def check_hash(self, text, claims):
        return claims["ath"] == b64(hashlib.sha256(text.encode()).digest())

    def check_time(self, claims):
        return abs(claims["iat"] - time.time()) < 300

    def check_id(self, claims):
        if claims["jti"] in self.used:
            return False
        self.used.add(claims["jti"])
        return True


@twin
class sound_bound(Bound):
    pass


@twin
class bound_or_bearer(Bound):
    def proven(self, request, scheme, text):
        return text if scheme == "Bearer" else super().proven(request, scheme, text)


@twin
class first_of_two_proofs(Bound):
    def proofs(self, request):
        return request.headers.get_all("DPoP")


@twin
class proofs_are_not_remembered(Bound):
    def check_id(self, claims):
        return claims["jti"] is not None


@twin
class proof_for_any_address(Bound):
    def check_address(self, request, claims):
        return claims["htm"] == request.command and claims["htu"] is not None


@twin
class proof_for_any_token(Bound):
    def check_hash(self, text, claims):
        return True


@twin
class proof_by_any_key(Bound):
    def check_key(self, text, jwk):
        return True


@twin
class proofs_never_old(Bound):
    def check_time(self, claims):
        return claims["iat"] > 0


@twin
class proof_of_any_type(Bound):
    def check_proof_header(self, header):
        return header["alg"] == "ES256"
