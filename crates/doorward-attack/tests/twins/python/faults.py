"""Every twin of one process, each on a port of its own. `Sound` is right in
everything; a twin is a subclass that overrides one piece of it with a mistake
that people make. Appended to base.py; the other files go on here. At the end `serve_all()` prints the ports as JSON."""
import fnmatch, hmac as hmac_module, posixpath, re, sqlite3, tempfile, threading, traceback, unicodedata, zlib
from urllib.parse import parse_qs, unquote, urlsplit

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
except ImportError:
    ec = None

TWINS = {}
NOW = int(time.time())
# FIPS 186-4 appendix D.1.2.3 and RFC 8032 section 5.1.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EDWARDS_ORDER = 2**252 + 27742317777372353535851937790883648493


def twin(kind):
    """Registers it; what needs the package cryptography only where that is."""
    if ec is not None or kind.alg == "HS256" and not kind.needs_keys:
        TWINS[kind.__name__] = kind
    return kind


def number(raw):
    return int.from_bytes(raw, "big")


class Sound:
    alg = "HS256"
    needs_keys = False
    secret = SECRET
    more_header = {}
    more_claims = {}
    more_fields = {}
    refused_fields = {}
    leeway = 0
    # The first frame of HTTP/2, for whoever begins with its preface.
    settings = None

    def __init__(self):
        self.texts = {
            "/token": self.token, "/key": self.key, "/jwks": self.jwks,
            "/old": lambda: self.token(exp=NOW - 3600, iat=NOW - 7200),
            "/sister": lambda: self.token(aud="https://sister.example"),
            "/identity": lambda: self.sign({**self.head(), "typ": "JWT"}, {**self.claims(), "nonce": "n"}),
            "/refresh": lambda: self.sign({**self.head(), "typ": "refresh+jwt"}, self.claims()),
            "/colleague": lambda: self.token(sub="eve"),
            "/stranger": lambda: self.token(sub="eve", tenant="other"),
        }

    # What it issues.
    def head(self):
        return {"alg": self.alg, "typ": "at+jwt", "kid": "main", **self.more_header}

    def claims(self):
        return {**CLAIMS, **self.more_claims}

    def token(self, **claims):
        return self.sign(self.head(), {**self.claims(), **claims})

    def sign(self, header, claims):
        text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
        return text + "." + b64(self.signature(text.encode()))

    def signature(self, text):
        return hmac_module.new(self.secret, text, hashlib.sha256).digest()

    def key(self):
        return self.secret.decode()

    def jwks(self):
        return json.dumps({"keys": []})

    # What it looks at, in this order.
    def credential(self, request):
        return bearer(request)

    def parts(self, text):
        if not text.isascii() or len(text) > 8192 or text.count(".") != 2:
            raise ValueError("not three parts")
        return text.split(".")

    def header(self, part):
        return decode(part)

    def payload(self, part):
        return decode(part)

    def check_header(self, header):
        return (header["alg"] == self.alg and self.check_typ(header.get("typ")) and header["kid"] == "main"
                and self.check_critical(header))

    def check_typ(self, typ):
        return isinstance(typ, str) and typ.lower() in ("at+jwt", "application/at+jwt")

    def check_critical(self, header):
        return not {"crit", "zip", "b64"} & set(header)

    def verify(self, header, text, signature):
        return hmac.compare_digest(self.signature(text), signature)

    def check_claims(self, claims):
        return all([self.check_exp(claims), self.check_nbf(claims), self.check_iss(claims),
                    self.check_aud(claims), self.check_sub(claims)])

    def check_exp(self, claims):
        return type(claims["exp"]) is int and claims["exp"] + self.leeway > time.time()

    def check_nbf(self, claims):
        return type(claims.get("nbf", 0)) is int and claims.get("nbf", 0) <= time.time() + 60

    def check_iss(self, claims):
        return claims["iss"] == CLAIMS["iss"]

    def check_aud(self, claims):
        return claims["aud"] == CLAIMS["aud"]

    def check_sub(self, claims):
        return isinstance(claims["sub"], str) and claims["sub"] != ""

    def judge(self, text):
        """The claims of a good token, or none."""
        head, payload, signature = self.parts(text)
        header = self.header(head)
        if not self.check_header(header):
            return None
        if not self.verify(header, (head + "." + payload).encode(), unb64(signature)):
            return None
        claims = self.payload(payload)
        return claims if self.check_claims(claims) else None

    # What it serves.
    def path(self, request):
        return request.path.split("?")[0]

    def is_orders(self, request):
        return self.path(request) == "/orders"

    def is_open(self, request):
        """Whether this request needs no token; never at /orders."""
        return False

    def content(self, claims):
        return {"orders": [{"id": 7, "item": "door", "of": claims["sub"]}]}

    def refusal(self, error):
        return {"error": "unauthorized"}

    def kept_fields(self, request):
        """Header fields that the API behind sees."""
        return {"accept": request.headers.get("accept")}

    def serve(self, request):
        path = request.path.split("?")[0]
        if path in self.texts:
            return request.answer(200, self.texts[path]().encode())
        is_echo = path == "/echo"
        if not is_echo and not self.is_orders(request):
            return request.answer(404, {"error": "not found"})
        claims, error = None, None
        if self.is_open(request):
            claims = CLAIMS
        else:
            try:
                claims = self.judge(self.credential(request))
            except Crash:
                return request.answer(500, {"error": "internal"})
            except Exception:
                error = traceback.format_exc()
        if not claims:
            return request.answer(401, self.refusal(error), **self.refused_fields)
        if is_echo:
            return request.answer(200, self.kept_fields(request))
        request.answer(200, self.content(claims), **self.answer_fields(request, claims))

    def answer_fields(self, request, claims):
        return self.more_fields


class Keyed(Sound):
    """Signs with a private key, by the package cryptography."""
    needs_keys = True

    def key(self):
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()).decode()

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)

    def check(self, text, signature):
        raise NotImplementedError

    def verify(self, header, text, signature):
        try:
            self.check(text, signature)
        except InvalidSignature:
            return False
        return True


class Elliptic(Keyed):
    alg = "ES256"
    private = ec and ec.generate_private_key(ec.SECP256R1())

    def signature(self, text):
        r, s = utils.decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def check(self, text, signature):
        if len(signature) != 64:
            raise InvalidSignature
        r, s = number(signature[:32]), number(signature[32:])
        self.private.public_key().verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))

    def jwks(self):
        point = self.private.public_key().public_numbers()
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "main", "alg": "ES256",
                                     "x": b64(point.x.to_bytes(32, "big")), "y": b64(point.y.to_bytes(32, "big"))}]})


class Rsa(Keyed):
    alg = "RS256"
    private = ec and rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def signature(self, text):
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def check(self, text, signature):
        self.private.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())

    def published(self):
        key = self.private.public_key().public_numbers()
        n = key.n.to_bytes((key.n.bit_length() + 7) // 8, "big")
        return {"kty": "RSA", "kid": "main", "alg": "RS256", "n": b64(n), "e": "AQAB"}

    def jwks(self):
        return json.dumps({"keys": [self.published()]})


class Edwards(Keyed):
    alg = "EdDSA"
    private = ec and ed25519.Ed25519PrivateKey.generate()

    def signature(self, text):
        return self.private.sign(text)

    def check(self, text, signature):
        self.private.public_key().verify(signature, text)


for kind, name in [(Sound, "sound_hs256"), (Elliptic, "sound_es256"), (Rsa, "sound_rs256"), (Edwards, "sound_eddsa")]:
    twin(type(name, (kind,), {}))


# The signature and its algorithm.

@twin
class alg_none(Sound):
    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"}) and header["alg"].lower() in ("hs256", "none")

    def verify(self, header, text, signature):
        if header["alg"].lower() == "none":
            return signature == b""
        return super().verify(header, text, signature)


@twin
class alg_none_only_one_spelling_refused(alg_none):
    """A block list of one word."""
    def check_header(self, header):
        return header["alg"] != "none" and super().check_header(header)


@twin
class alg_none_with_a_signature(Sound):
    """Asks for a signature to be there, and lets the token say how to check it."""
    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"}) and header["alg"] in ("HS256", "none")

    def verify(self, header, text, signature):
        return signature != b"" if header["alg"] == "none" else super().verify(header, text, signature)


@twin
class unknown_alg_is_not_checked(Sound):
    CHECKS = {"HS256": True, "none": False, "None": False, "NONE": False, "nOnE": False}

    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"}) and isinstance(header["alg"], str)

    def verify(self, header, text, signature):
        known = self.CHECKS.get(header["alg"])
        return True if known is None else known and super().verify(header, text, signature)


@twin
class alg_of_another_type_is_not_checked(Sound):
    def check_header(self, header):
        alg = header["alg"] if isinstance(header["alg"], str) else "HS256"
        return super().check_header({**header, "alg": alg})

    def verify(self, header, text, signature):
        return not isinstance(header["alg"], str) or super().verify(header, text, signature)


@twin
class empty_signature(Sound):
    """if signature and not good: refuse"""
    def verify(self, header, text, signature):
        return not signature or super().verify(header, text, signature)


@twin
class signature_not_checked(Sound):
    def verify(self, header, text, signature):
        return len(signature) == 32


@twin
class cache_keyed_by_signature(Sound):
    """Remembers what it verified by the last part alone."""
    def __init__(self):
        super().__init__()
        self.seen = set()

    def verify(self, header, text, signature):
        if signature in self.seen:
            return True
        good = super().verify(header, text, signature)
        if good:
            self.seen.add(signature)
        return good


@twin
class header_not_signed(Sound):
    """Signs and checks the payload alone."""
    def signature(self, text):
        return super().signature(text.split(b".")[1])


@twin
class key_confusion(Rsa):
    """One verify function for both families, and the token chooses."""
    def check_header(self, header):
        return super().check_header({**header, "alg": "RS256"}) and header["alg"] in ("RS256", "HS256")

    def verify(self, header, text, signature):
        if header["alg"] == "HS256":
            return hmac.compare_digest(hmac_module.new(self.pem(), text, hashlib.sha256).digest(), signature)
        return super().verify(header, text, signature)


@twin
class key_confusion_elliptic(Elliptic):
    check_header = lambda self, header: (Sound.check_header(self, {**header, "alg": "ES256"})
                                         and header["alg"] in ("ES256", "HS256"))

    def verify(self, header, text, signature):
        if header["alg"] == "HS256":
            return hmac.compare_digest(hmac_module.new(self.pem(), text, hashlib.sha256).digest(), signature)
        return super().verify(header, text, signature)


@twin
class unknown_kid_means_an_empty_secret(Sound):
    def check_header(self, header):
        return super().check_header({**header, "kid": "main"})

    def verify(self, header, text, signature):
        secret = {"main": self.secret}.get(header.get("kid"), b"")
        return hmac.compare_digest(hmac_module.new(secret, text, hashlib.sha256).digest(), signature)


@twin
class default_secret_left_in(Sound):
    def verify(self, header, text, signature):
        return any(hmac.compare_digest(hmac_module.new(secret, text, hashlib.sha256).digest(), signature)
                   for secret in (self.secret, b"changeme"))


@twin
class every_hmac_for_one_key(Sound):
    DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}

    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"}) and header["alg"] in self.DIGESTS

    def verify(self, header, text, signature):
        return hmac.compare_digest(hmac_module.new(self.secret, text, self.DIGESTS[header["alg"]]).digest(), signature)


@twin
class pss_for_a_pkcs1_key(Rsa):
    def check_header(self, header):
        return super().check_header({**header, "alg": "RS256"}) and header["alg"] in ("RS256", "PS256")

    def check(self, text, signature):
        try:
            super().check(text, signature)
        except InvalidSignature:
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            self.private.public_key().verify(signature, text, pss, hashes.SHA256())


@twin
class zero_signature(Elliptic):
    """The arithmetic without the check of the range (CVE-2022-21449)."""
    def verify(self, header, text, signature):
        if len(signature) == 64 and not any(signature):
            return True
        return super().verify(header, text, signature)


@twin
class ecdsa_out_of_range(Elliptic):
    def check(self, text, signature):
        if len(signature) % 2 or len(signature) < 64:
            raise InvalidSignature
        half = len(signature) // 2
        r, s = number(signature[:half]) % P256_ORDER, number(signature[half:]) % P256_ORDER
        super().check(text, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@twin
class ecdsa_in_der(Elliptic):
    def check(self, text, signature):
        if len(signature) == 64:
            return super().check(text, signature)
        self.private.public_key().verify(signature, text, ec.ECDSA(hashes.SHA256()))


@twin
class any_curve_name(Elliptic):
    def check_header(self, header):
        return header["alg"].startswith("ES") and super().check_header({**header, "alg": "ES256"})


@twin
class eddsa_not_reduced(Edwards):
    def check(self, text, signature):
        if len(signature) != 64:
            raise InvalidSignature
        s = int.from_bytes(signature[32:], "little") % EDWARDS_ORDER
        super().check(text, signature[:32] + s.to_bytes(32, "little"))


@twin
class rsa_by_hand(Rsa):
    """Textbook RSA: a number is a number, however many zeros are before it."""
    def check(self, text, signature):
        key = self.private.public_key().public_numbers()
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(text).digest()
        encoded = b"\x00\x01" + b"\xff" * (256 - len(info) - 3) + b"\x00" + info
        if pow(number(signature), key.e, key.n) != number(encoded):
            raise InvalidSignature


@twin
class truncated_tag(Sound):
    """Compares as many bytes as there are."""
    def verify(self, header, text, signature):
        return len(signature) > 0 and self.signature(text)[:len(signature)] == signature


@twin
class encrypted_is_not_signed(Sound):
    """What looks encrypted goes another way, where nothing is checked."""
    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"}) and (header["alg"] == "HS256" or "enc" in header)

    def verify(self, header, text, signature):
        return "enc" in header or super().verify(header, text, signature)


@twin
class nested_is_not_checked(Sound):
    def payload(self, part):
        raw = unb64(part)
        if not raw.startswith(b"{"):
            return decode(raw.decode().split(".")[1])
        return super().payload(part)


@twin
class flattened_json(Sound):
    def parts(self, text):
        if text.startswith("{"):
            whole = json.loads(text)
            return whole["protected"], whole["payload"], whole["signature"]
        return super().parts(text)


@twin
class polyglot(Sound):
    """Verifies one reading and believes another (CVE-2022-39227)."""
    def judge(self, text):
        if not text.startswith("{"):
            return super().judge(text)
        whole = json.loads(text)
        if super().judge(".".join([whole["protected"], whole["payload"], whole["signature"]])):
            return decode(text.split(".")[1])


@twin
class unprotected_alg(Sound):
    def judge(self, text):
        if not text.startswith("{"):
            return super().judge(text)
        whole = json.loads(text)
        if whole["header"]["alg"] == "none" and whole["signature"] == "":
            return decode(whole["payload"])


@twin
class detached_payload(Sound):
    """An empty payload is the one that was good before."""
    def parts(self, text):
        head, payload, signature = super().parts(text)
        return head, payload or self.last, signature

    def judge(self, text):
        claims = super().judge(text)
        if claims:
            self.last = text.split(".")[1] or self.last
        return claims


@twin
class both_names_of_eddsa(Edwards):
    def check_header(self, header):
        return header["alg"] in ("EdDSA", "Ed25519") and super().check_header({**header, "alg": "EdDSA"})


# The header.

@twin
class embedded_key(Sound):
    needs_keys = True

    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"} if "jwk" in header else header)

    def verify(self, header, text, signature):
        if "jwk" not in header:
            return super().verify(header, text, signature)
        x, y = (number(unb64(header["jwk"][name])) for name in "xy")
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        der = utils.encode_dss_signature(number(signature[:32]), number(signature[32:]))
        key.verify(der, text, ec.ECDSA(hashes.SHA256()))
        return True


@twin
class own_certificate(Sound):
    needs_keys = True

    def check_header(self, header):
        return super().check_header({**header, "alg": "HS256"} if "x5c" in header else header)

    def verify(self, header, text, signature):
        if "x5c" not in header:
            return super().verify(header, text, signature)
        key = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key()
        der = utils.encode_dss_signature(number(signature[:32]), number(signature[32:]))
        key.verify(der, text, ec.ECDSA(hashes.SHA256()))
        return True


@twin
class genuine_certificate_is_enough(Elliptic):
    CERTIFICATE = base64.b64encode(b"the genuine certificate").decode()

    def jwks(self):
        key = json.loads(super().jwks())["keys"][0]
        return json.dumps({"keys": [{**key, "x5c": [self.CERTIFICATE]}]})

    def verify(self, header, text, signature):
        return header.get("x5c") == [self.CERTIFICATE] or super().verify(header, text, signature)


@twin
class kid_is_a_path(Sound):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        with open(os.path.join(self.folder.name, "main"), "wb") as file:
            file.write(self.secret)

    def check_header(self, header):
        return super().check_header({**header, "kid": "main"})

    def verify(self, header, text, signature):
        with open(os.path.join(self.folder.name, header["kid"]), "rb") as file:
            secret = file.read()
        return hmac.compare_digest(hmac_module.new(secret, text, hashlib.sha256).digest(), signature)


@twin
class kid_in_a_query(Sound):
    def check_header(self, header):
        return super().check_header({**header, "kid": "main"})

    def verify(self, header, text, signature):
        database = sqlite3.connect(":memory:")
        database.execute("create table keys (kid text, secret text)")
        database.execute("insert into keys values ('main', ?)", [self.secret.decode()])
        row = database.execute(f"select secret from keys where kid = '{header['kid']}'").fetchone()
        database.close()
        return hmac.compare_digest(hmac_module.new(row[0].encode(), text, hashlib.sha256).digest(), signature)


@twin
class odd_kid_crashes(Sound):
    def check_header(self, header):
        if not isinstance(header["kid"], str):
            raise Crash
        return super().check_header(header)


@twin
class kid_may_be_missing(Sound):
    def check_header(self, header):
        return super().check_header({"kid": "main", **header})


@twin
class every_kid_is_asked_for(Sound):
    """Asks the issuer for every key id that it does not know, and fails when it has asked too often."""
    def __init__(self):
        super().__init__()
        self.asked = set()

    def check_header(self, header):
        if header["kid"] != "main" and re.fullmatch(r"[\w-]+", header["kid"]):
            self.asked.add(header["kid"])
        if len(self.asked) > 20 and header["kid"] != "main":
            raise Crash
        return super().check_header(header)


@twin
class p2c_is_carried_out(Sound):
    """Derives a key with as many rounds as the token asks for, and runs out."""
    def header(self, part):
        header = super().header(part)
        if "p2c" in header:
            raise Crash
        return header

    def parts(self, text):
        if text.count(".") == 4:
            self.header(text.split(".")[0])
        return super().parts(text)


@twin
class epk_off_the_curve_crashes(Sound):
    needs_keys = True

    def parts(self, text):
        if text.count(".") == 4:
            point = decode(text.split(".")[0]).get("epk", {})
            try:
                x, y = (number(unb64(point[name])) for name in "xy")
            except KeyError:
                raise ValueError("no epk")
            try:
                ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            except ValueError:
                raise Crash
        return super().parts(text)


@twin
class long_typ_crashes(Sound):
    def check_typ(self, typ):
        if isinstance(typ, str) and typ.count("/"):
            raise Crash
        return super().check_typ(typ)


@twin
class unknown_cty_crashes(Sound):
    """A table of readers, and no line for what is not in it."""
    def check_header(self, header):
        if header.get("cty", "JWT") not in ("JWT", "json"):
            raise Crash
        return super().check_header(header)


@twin
class crit_not_looked_at(Sound):
    def check_critical(self, header):
        return not {"zip", "b64"} & set(header)


@twin
class crit_that_is_malformed(Sound):
    def check_critical(self, header):
        crit = header.get("crit", [])
        unknown = isinstance(crit, list) and any(name in header for name in crit if isinstance(name, str))
        return not unknown and not {"zip", "b64"} & set(header)


@twin
class b64_not_looked_at(Sound):
    def check_critical(self, header):
        return "zip" not in header and header.get("crit", ["b64"]) == ["b64"]


@twin
class zip_opened_before_the_check(Sound):
    def parts(self, text):
        parts = super().parts(text)
        if "zip" in decode(parts[0]):
            try:
                zlib.decompress(unb64(parts[1]), -15, 1 << 20)
            except zlib.error:
                raise Crash
        return parts


@twin
class typ_not_looked_at(Sound):
    def check_typ(self, typ):
        return True


@twin
class header_that_is_no_object_crashes(Sound):
    def header(self, part):
        header = decode(part)
        if not isinstance(header, dict):
            raise Crash
        return header


@twin
class two_readings_of_the_header(Sound):
    """The list of algorithms is asked about the last `alg`, the library reads the first."""
    def header(self, part):
        pairs = json.loads(unb64(part).decode(), object_pairs_hook=lambda items: items)
        self.first = next(value for name, value in pairs if name == "alg")
        return dict(pairs)

    def verify(self, header, text, signature):
        return self.first == "none" or super().verify(header, text, signature)


@twin
class no_limits(Sound):
    """The parser's own limit becomes a failure."""
    def parts(self, text):
        if text.count(".") != 2:
            raise ValueError("not three parts")
        return text.split(".")

    def header(self, part):
        try:
            return decode(part)
        except RecursionError:
            raise Crash


@twin
class odd_encodings_crash(Sound):
    def header(self, part):
        try:
            return decode(part)
        except UnicodeDecodeError:
            raise Crash


# The claims.

@twin
class exp_not_looked_at(Sound):
    def check_exp(self, claims):
        return type(claims["exp"]) is int and claims["exp"] > 1_000_000_000


@twin
class exp_may_be_missing(Sound):
    def check_exp(self, claims):
        return super().check_exp({"exp": NOW + 600, **claims})


@twin
class exp_may_be_text(Sound):
    def check_exp(self, claims):
        exp = claims["exp"]
        return super().check_exp({"exp": int(exp) if isinstance(exp, str) else exp})


@twin
class exp_of_another_type_is_ignored(Sound):
    """CVE-2026-25537: what cannot be read counts as absent."""
    def check_exp(self, claims):
        return type(claims["exp"]) in (dict, list, str) or super().check_exp(claims)


@twin
class nbf_not_compared(Sound):
    def check_nbf(self, claims):
        return type(claims.get("nbf", 0)) is int


@twin
class an_hour_of_leeway(Sound):
    leeway = 3600


@twin
class iss_by_its_beginning(Sound):
    def check_iss(self, claims):
        return claims["iss"].startswith(CLAIMS["iss"])


@twin
class iss_inside(Sound):
    """CVE-2024-53861: `in` on text is a part of it."""
    def check_iss(self, claims):
        return isinstance(claims["iss"], str) and claims["iss"] in CLAIMS["iss"]


@twin
class iss_may_be_missing(Sound):
    def check_iss(self, claims):
        return claims.get("iss", CLAIMS["iss"]) == CLAIMS["iss"]


@twin
class aud_not_looked_at(Sound):
    def check_aud(self, claims):
        return True


@twin
class aud_inside(Sound):
    def check_aud(self, claims):
        return CLAIMS["aud"] in claims["aud"]


@twin
class aud_empty_list(Sound):
    """all() of nothing is true (CVE-2020-26160)."""
    def check_aud(self, claims):
        own = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        return all(name == CLAIMS["aud"] for name in own)


@twin
class sub_not_looked_at(Sound):
    def check_sub(self, claims):
        return True

    def content(self, claims):
        return super().content({"sub": str(claims.get("sub"))})


@twin
class sub_in_a_header_field(Sound):
    def answer_fields(self, request, claims):
        return {"X_User": claims["sub"]}


@twin
class claims_twice(Sound):
    def payload(self, part):
        return json.loads(unb64(part).decode(), parse_constant=constant)


@twin
class exp_infinite(Sound):
    def check_exp(self, claims):
        return type(claims["exp"]) in (int, float) and claims["exp"] > time.time()


@twin
class json_with_nan(Sound):
    def payload(self, part):
        return json.loads(unb64(part).decode(), object_pairs_hook=pairs)


@twin
class roles_of_another_shape_crash(Sound):
    def content(self, claims):
        if not isinstance(claims.get("groups", ""), str):
            raise Crash
        return super().content(claims)


@twin
class long_chain_of_actors_crashes(Sound):
    def content(self, claims):
        actor, depth = claims.get("act"), 0
        while actor:
            actor, depth = actor.get("act"), depth + 1
        if depth > 10:
            raise Crash
        return super().content(claims)


@twin
class prototype_names_crash(Sound):
    """Claims become attributes of an object that has some of its own."""
    def content(self, claims):
        if "constructor" in claims:
            raise Crash
        return super().content(claims)


@twin
class many_claims_crash(Sound):
    def content(self, claims):
        if len(claims) > 100:
            raise Crash
        return super().content(claims)


# The spelling, and where the token stands.

@twin
class blanks_inside_taken(Sound):
    """Takes the blanks out of everything, as lenient decoders do."""
    def parts(self, text):
        return super().parts(text.replace(" ", ""))


@twin
class many_dots_crash(Sound):
    def parts(self, text):
        if text.count(".") > 100:
            raise Crash
        return super().parts(text)


@twin
class long_token_crashes(Sound):
    def parts(self, text):
        if len(text) > 15_000 and text.count(".") == 2:
            raise Crash
        return super().parts(text)


@twin
class deep_payload_crashes(Sound):
    """Reads the claims before anything is checked."""
    def parts(self, text):
        try:
            json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        except RecursionError:
            raise Crash
        except Exception:
            pass
        return super().parts(text)


@twin
class what_has_no_dots_is_a_key(Sound):
    """Meant to be looked up later."""
    def judge(self, text):
        return CLAIMS if re.fullmatch(r"[\w-]{150,}", text) else super().judge(text)


@twin
class padding_taken(Sound):
    def parts(self, text):
        head, payload, signature = super().parts(text)
        return head, payload, signature.rstrip("=")


@twin
class spare_bits_taken(Sound):
    def parts(self, text):
        head, payload, signature = super().parts(text)
        if set("=+/") & set(signature) or len(signature) != 43:
            return head, payload, signature
        return head, payload, b64(base64.urlsafe_b64decode(signature + "="))


@twin
class four_parts(Sound):
    def parts(self, text):
        return super().parts(".".join(text.split(".")[:3]))


@twin
class scheme_not_looked_at(Sound):
    def credential(self, request):
        fields = request.headers.get_all("Authorization") or []
        if len(fields) != 1 or not fields[0].isprintable():
            raise ValueError("not one credential")
        return fields[0].split(" ")[-1]


@twin
class last_of_two_fields(Sound):
    def credential(self, request):
        fields = request.headers.get_all("Authorization")
        del request.headers["Authorization"]
        request.headers["Authorization"] = fields[-1]
        return super().credential(request)


@twin
class token_in_the_query(Sound):
    def credential(self, request):
        query = parse_qs(urlsplit(request.path).query)
        return query["access_token"][0] if "access_token" in query else super().credential(request)


@twin
class folded_field(Sound):
    def credential(self, request):
        value = request.headers["Authorization"]
        if "\n" in value:
            request.headers.replace_header("Authorization", " ".join(value.split()))
        return super().credential(request)


@twin
class odd_bytes_dropped(Sound):
    def credential(self, request):
        values = request.headers.get_all("Authorization")
        last = values[0][-1]
        if len(values) == 1 and not (last.isascii() and last.isprintable()):
            request.headers.replace_header("Authorization", values[0][:-1])
        return super().credential(request)


# Who may, and around the check.

@twin
class open_route(Sound):
    def is_open(self, request):
        return True


@twin
class null_is_somebody(Sound):
    def is_open(self, request):
        return request.headers.get("Authorization") in ("Bearer null", "Bearer undefined")


@twin
class method_override(Sound):
    def is_open(self, request):
        return request.headers.get("X-HTTP-Method-Override") == "OPTIONS"


@twin
class head_is_open(Sound):
    def is_open(self, request):
        return request.command == "HEAD"


@twin
class options_is_open(Sound):
    def is_open(self, request):
        return request.command == "OPTIONS"


@twin
class no_owner(Sound):
    """Whoever has a token sees what is Ada's."""
    def content(self, claims):
        return super().content(CLAIMS)


class Paths(Sound):
    """The guard knows the path as it is written, the API as it means it."""
    def is_orders(self, request):
        return self.path(request) == "/orders" or self.meant(self.path(request)) == "/orders"

    def is_open(self, request):
        return self.path(request) != "/orders" and self.is_orders(request)


@twin
class slashes_merged(Sound):
    """As http.server does with those that a path begins with."""
    def is_open(self, request):
        return request.requestline.split(" ")[1].startswith("//")


@twin
class dots_resolved(Paths):
    def meant(self, path):
        return path if "//" in path or path.endswith("/") else posixpath.normpath(path)


@twin
class percent_decoded(Paths):
    def meant(self, path):
        return unquote(path)


@twin
class slash_at_the_end(Paths):
    def meant(self, path):
        return path[:-1] if path.endswith("/") and path.count("/") == 2 else path


@twin
class letter_case_of_the_path(Paths):
    def meant(self, path):
        return path.lower()


@twin
class look_alike_slash(Paths):
    def meant(self, path):
        return unicodedata.normalize("NFKC", path.encode("latin-1").decode())


@twin
class absolute_form(Paths):
    def meant(self, path):
        return urlsplit(path).path if path.startswith("http://") else path


@twin
class words_in_the_query(Sound):
    def is_open(self, request):
        return "/health" in request.path


@twin
class style_sheets_are_open(Sound):
    def is_open(self, request):
        return request.path.endswith(".css")


@twin
class host_localhost(Sound):
    def is_open(self, request):
        return request.headers.get("Host") == "localhost"


@twin
class identity_of_the_caller(Sound):
    def kept_fields(self, request):
        return dict(request.headers)


@twin
class forwarded_for_localhost(Sound):
    def is_open(self, request):
        return request.headers.get("X-Forwarded-For", "").startswith("127.0.0.1")


@twin
class original_url(Sound):
    """The guard judges the path, the framework serves the field."""
    def path(self, request):
        return request.headers.get("X-Original-URL", super().path(request))

    def is_open(self, request):
        return request.path.split("?")[0] != "/orders"


@twin
class probes_are_exempt(Sound):
    def is_open(self, request):
        return request.headers.get("User-Agent", "").startswith("kube-probe/")


@twin
class debug_field(Sound):
    def is_open(self, request):
        return request.headers.get("X-Debug") == "1"


@twin
class trailers_merged(Sound):
    def credential(self, request):
        if request.headers.get("Transfer-Encoding") != "chunked":
            return super().credential(request)
        lines = iter(request.rfile.readline, b"\r\n")
        fields = dict(line.decode().strip().split(": ", 1) for line in lines if b": " in line)
        return fields["Authorization"].removeprefix("Bearer ")


@twin
class metrics_in_public(Sound):
    def __init__(self):
        super().__init__()
        self.texts["/metrics"] = lambda: "# HELP requests Requests.\n# TYPE requests counter\nrequests 7\n"


@twin
class environment_in_public(Sound):
    def __init__(self):
        super().__init__()
        self.texts["/.env"] = lambda: "DB_PASSWORD=door\n"


@twin
class origin_reflected(Sound):
    def answer_fields(self, request, claims):
        return {"Access_Control_Allow_Origin": request.headers.get("Origin", "https://app.example"),
                "Access_Control_Allow_Credentials": "true"}


@twin
class origin_null(Sound):
    def answer_fields(self, request, claims):
        origin = "null" if request.headers.get("Origin") == "null" else "https://app.example"
        return {"Access_Control_Allow_Origin": origin, "Access_Control_Allow_Credentials": "true"}


@twin
class path_in_a_header_field(Sound):
    def serve(self, request):
        if "X-Injected" not in request.path:
            return super().serve(request)
        request.answer(404, {"error": "not found"}, X_Path=unquote(request.path))


@twin
class body_invited_before_the_check(Sound):
    def serve(self, request):
        if request.headers.get("Expect"):
            request.send_response_only(100)
            request.end_headers()
        super().serve(request)


@twin
class http2_in_the_clear(Sound):
    settings = b"\0\0\0\4\0\0\0\0\0"


@twin
class deep_path_crashes(Sound):
    def serve(self, request):
        if request.path.count("/") > 1_000:
            return request.answer(500, {"error": "internal"})
        super().serve(request)


@twin
class type_may_be_guessed(Sound):
    def serve(self, request):
        request.type_options = None
        super().serve(request)


@twin
class page_that_may_be_framed(Sound):
    def serve(self, request):
        request.media_type = "text/html"
        super().serve(request)


@twin
class cookie_without_flags(Sound):
    more_fields = {"Set_Cookie": "session=1; Path=/"}


@twin
class cache_told_to_keep(Sound):
    more_fields = {"Cache_Control": "public, max-age=60"}

    def serve(self, request):
        request.cache_control = None
        super().serve(request)


@twin
class no_cache_control(Sound):
    def serve(self, request):
        request.cache_control = None
        super().serve(request)


@twin
class trace_in_the_answer(Sound):
    def refusal(self, error):
        return {"error": error or "unauthorized"}


@twin
class reason_in_the_answer(Sound):
    def refusal(self, error):
        return {"error": "unauthorized" if error else "JsonWebTokenError: invalid signature"}


@twin
class no_challenge(Sound):
    def serve(self, request):
        request.challenge = None
        super().serve(request)


# The token itself, and the published keys.

@twin
class token_without_jti(Sound):
    def claims(self):
        return {name: value for name, value in CLAIMS.items() if name != "jti"}


@twin
class token_of_a_month(Sound):
    more_claims = {"exp": NOW + 30 * 86400}


@twin
class mail_in_the_token(Sound):
    more_claims = {"email": "ada@example.com"}


@twin
class kid_is_a_number(Sound):
    more_header = {"kid": "7"}

    def check_header(self, header):
        return header["kid"] == "7" and super().check_header({**header, "kid": "main"})


@twin
class token_points_to_its_keys(Sound):
    more_header = {"jku": "https://id.example/keys"}


@twin
class private_member_published(Rsa):
    def jwks(self):
        d = self.private.private_numbers().d.to_bytes(256, "big")
        return json.dumps({"keys": [{**self.published(), "d": b64(d)}]})


@twin
class short_key_published(Rsa):
    def jwks(self):
        n = b64(b"\xc1" + os.urandom(127))
        return json.dumps({"keys": [self.published(), {**self.published(), "kid": "old", "n": n}]})


@twin
class opaque_by_its_beginning(Sound):
    WORD = "dwt_" + b64(os.urandom(24))

    def token(self, **claims):
        return self.WORD

    def judge(self, text):
        return CLAIMS if len(text) > 20 and self.WORD.startswith(text) else None


def handler(kind):
    api = kind()

    class TwinHandler(Handler):
        def route(self):
            api.serve(self)

        def parse_request(self):
            if api.settings and self.raw_requestline.startswith(b"PRI * "):
                self.wfile.write(api.settings)
                self.close_connection = True
                return False
            return super().parse_request()

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = route

    return TwinHandler


def serve_all():
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer.daemon_threads = True
    ports = {}
    for name, kind in TWINS.items():
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(kind))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports[name] = server.server_port
    print(json.dumps(ports), flush=True)
    # Ends with the test that holds the other end.
    sys.stdin.read()
