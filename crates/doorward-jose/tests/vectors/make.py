"""Writes vectors.json: signed texts of every kind that the JOSE vectors of
Wycheproof have, with keys of our own.

Only the standard library, so that nothing here is shared with what is tested:
RSA and P-256 are written out. Keys and nonces come from hashes of names, so the
same file comes out every time:

    python3 make.py > vectors.json
"""

import base64
import hashlib
import hmac
import json
import sys


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def stream(name, length):
    """Bytes that look random and belong to a name."""
    return hashlib.shake_256(name.encode()).digest(length)


def number(data):
    return int.from_bytes(data, "big")


def octets(value, length=None):
    return value.to_bytes(length or (value.bit_length() + 7) // 8, "big")


# --- RSA (RFC 8017) ----------------------------------------------------------


def is_prime(candidate):
    if any(candidate % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 42):
        power = pow(base, odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True


def prime(name, bits):
    candidate = number(stream(name, bits // 8)) | (3 << (bits - 2)) | 1
    while not (is_prime(candidate) and candidate % 65537 != 1):
        candidate += 2
    return candidate


class Rsa:
    def __init__(self, name, bits=2048):
        p, q = prime(name + " p", bits // 2), prime(name + " q", bits // 2)
        self.n, self.e = p * q, 65537
        self.d = pow(self.e, -1, (p - 1) * (q - 1))
        self.length = bits // 8

    def jwk(self, alg="RS256", **more):
        jwk = {"kty": "RSA", "alg": alg, "use": "sig", "n": b64(octets(self.n)), "e": "AQAB"}
        return {name: value for name, value in {**jwk, **more}.items() if value is not None}

    def raw(self, block):
        return octets(pow(number(block), self.d, self.n), self.length)


OIDS = {
    "sha1": "06052b0e03021a",
    "sha224": "0609608648016503040204",
    "sha256": "0609608648016503040201",
    "sha384": "0609608648016503040202",
    "sha512": "0609608648016503040203",
}


def tlv(tag, content, length=None):
    """DER, or not, if a length is given as it is to be written."""
    if length is None:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x81, size])
    return bytes([tag]) + length + content


def digest_info(hash_name, digest):
    algorithm = tlv(0x30, bytes.fromhex(OIDS[hash_name]) + b"\x05\x00")
    return tlv(0x30, algorithm + tlv(4, digest))


def padded(info, length, filler=b"\xff", start=b"\x00\x01"):
    return start + filler * (length - 3 - len(info)) + b"\x00" + info


def mgf1(seed, length, hash_name):
    blocks = b"".join(
        hashlib.new(hash_name, seed + octets(counter, 4)).digest()
        for counter in range(length // 20 + 1)
    )
    return blocks[:length]


def pss(message, length, hash_name, salt=None, mgf=None, change=None):
    """An encoded message (RFC 8017 section 9.1.1), spoiled by `change`."""
    digest = hashlib.new(hash_name, message).digest()
    salt = stream("salt", len(digest)) if salt is None else salt
    hashed = hashlib.new(hash_name, b"\0" * 8 + digest + salt).digest()
    parts = {
        "ps": bytes(length - len(salt) - len(hashed) - 2),
        "one": b"\x01",
        "salt": salt,
        "hash": hashed,
        "trailer": b"\xbc",
    }
    if change:
        change(parts)
    block = parts["ps"] + parts["one"] + parts["salt"]
    mask = mgf1(parts["hash"], len(block), mgf or hash_name)
    block = bytes(a ^ b for a, b in zip(block, mask))
    block = bytes([block[0] & 0x7F]) + block[1:]
    return block + parts["hash"] + parts["trailer"]


# --- ECDSA on P-256 (FIPS 186-5) ---------------------------------------------

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(factor, point):
    result = None
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


class Ec:
    def __init__(self, name):
        self.d = number(stream(name, 32)) % N
        self.x, self.y = times(self.d, G)

    def jwk(self, alg="ES256", **more):
        jwk = {"kty": "EC", "alg": alg, "use": "sig", "crv": "P-256"}
        jwk |= {"x": b64(octets(self.x, 32)), "y": b64(octets(self.y, 32))}
        return {name: value for name, value in {**jwk, **more}.items() if value is not None}

    def sign(self, message, hash_name="sha256"):
        digest = hashlib.new(hash_name, message).digest()
        k = number(stream("nonce " + digest.hex(), 40)) % N
        r = times(k, G)[0] % N
        s = (number(digest[:32]) + r * self.d) * pow(k, -1, N) % N
        return r, s


def fixed(r, s, length=32):
    return octets(r, length) + octets(s, length)


def der(r, s):
    integers = b"".join(tlv(2, octets(x, x.bit_length() // 8 + 1)) for x in (r, s))
    return tlv(0x30, integers)


# --- JWS ---------------------------------------------------------------------


def compact(header, payload, sign):
    header = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    signed = b64(header) + "." + b64(payload)
    return signed + "." + b64(sign(signed.encode()))


def mac(secret, hash_name="sha256"):
    return lambda message: hmac.new(secret, message, hash_name).digest()


groups = []


def group(comment, key, tests):
    """`tests` are comment, whether it is valid, and the text."""
    rows = []
    for name, valid, jws in tests:
        rows.append({"tcId": 0, "comment": name, "result": "valid" if valid else "invalid", "jws": jws})
    groups.append({"comment": comment, "public": key, "tests": rows})


def structure(header, sign):
    """What can be wrong with any compact JWS."""
    good = compact(header, b"foo", sign)
    head, payload, signature = good.split(".")
    other_head = compact({**header, "kid": "Xid"}, b"foo", sign).split(".")[0]
    form = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    flat = {"payload": payload, "protected": head, "signature": signature}
    first = "A" if signature[0] != "A" else "B"
    bad = {
        "modified signature": f"{head}.{payload}.{first}{signature[1:]}",
        "missing signature": f"{head}.{payload}.",
        "missing signature and separator": f"{head}.{payload}",
        "modified payload": f"{head}.{b64(b'Xoo')}.{signature}",
        "missing payload": f"{head}..{signature}",
        "missing payload and separator": f"{head}.{signature}",
        "modified header": f"{other_head}.{payload}.{signature}",
        "missing header": f".{payload}.{signature}",
        "missing header and separator": f"{payload}.{signature}",
        "only the payload": f".{payload}.",
        "only the payload, no separators": payload,
        "empty": "",
        "only separators": "..",
        "an empty part more": good + ".",
        "a part more": f"{good}.{signature}",
        "two tokens": f"{good}.{good}",
        "JSON serialisation, general": json.dumps(form),
        "JSON serialisation, flattened": json.dumps(flat),
        "header is no object": compact(b'["HS256"]', b"foo", sign),
        "header without alg": compact({"kid": "kid"}, b"foo", sign),
        "header with alg twice": compact(
            json.dumps(header)[:-1].encode() + b',"alg":"none"}', b"foo", sign
        ),
        "crit": compact({**header, "crit": ["exp"], "exp": 1}, b"foo", sign),
        "b64 false": compact({**header, "b64": False, "crit": ["b64"]}, b"foo", sign),
        "zip": compact({**header, "zip": "DEF"}, b"foo", sign),
    }
    for none in ("none", "None", "NONE", "nOnE"):
        unsigned = b64(json.dumps({**header, "alg": none}).encode()) + "." + payload
        bad[f"alg {none}, no signature"] = unsigned + "."
        bad[f"alg {none}, two parts"] = unsigned
        bad[f"alg {none}, the good signature"] = f"{unsigned}.{signature}"
    return [("valid", True, good)] + [(name, False, jws) for name, jws in bad.items()]


def payloads(header, sign):
    kinds = {
        "empty payload": b"",
        "payload of zeros": bytes(20),
        "payload of one byte": b"a",
        "normal payload": b"Test",
        "payload of high bytes": bytes(range(0xE0, 0x100)),
    }
    return [(name, True, compact(header, payload, sign)) for name, payload in kinds.items()]


SECRET = stream("HS256", 32)
EC = Ec("EC")
RSA = Rsa("RSA")


def oct(alg, secret, **more):
    return {"kty": "oct", "alg": alg, "use": "sig", "k": b64(secret), **more}


def es256(message):
    return fixed(*EC.sign(message))


def rsa(hash_name, change=lambda block: block):
    def sign(message):
        info = digest_info(hash_name, hashlib.new(hash_name, message).digest())
        return RSA.raw(change(padded(info, RSA.length)))

    return sign


def rsa_pss(hash_name, **how):
    return lambda message: RSA.raw(pss(message, RSA.length, hash_name, **how))


def hmac_groups():
    group("HS256", oct("HS256", SECRET), structure({"alg": "HS256"}, mac(SECRET)))
    for bits, length in ((384, 48), (512, 64)):
        secret = stream(f"HS{bits}", length)
        sign = mac(secret, f"sha{bits}")
        tests = payloads({"alg": f"HS{bits}"}, sign)
        other = compact({"alg": "HS256"}, b"foo", mac(secret))
        truncated = compact({"alg": f"HS{bits}"}, b"foo", lambda m: sign(m)[:32])
        tests += [("signed with HS256", False, other), ("truncated tag", False, truncated)]
        group(f"HS{bits}", oct(f"HS{bits}", secret), tests)


def base64_group():
    header, sign = {"alg": "HS256"}, mac(SECRET)
    good = compact(header, b"Test", sign)
    head, payload, tag = good.split(".")

    def over(head, payload):
        """A tag over the text as it stands, odd characters and all."""
        signed = f"{head}.{payload}"
        return f"{signed}.{b64(sign(signed.encode()))}"

    bad = {
        "spaces before the tag": f"{head}.{payload}.    {tag}",
        "spaces inside the tag": f"{head}.{payload}.{tag[:8]}    {tag[8:]}",
        "a line end after the tag": good + "\n",
        "another character before the tag": f"{head}.{payload}.?{tag}",
        "another character inside the tag": f"{head}.{payload}.{tag[:5]}?{tag[5:]}",
        "another character for one of the tag": f"{head}.{payload}.?{tag[1:]}",
        "padding of the tag": good + "=",
        "bits to spare in the tag": good[:-1] + chr(ord(good[-1]) + 1),
        "spaces in the header": over(head + "    ", payload),
        "other characters in the header": over(head + "####", payload),
        "padding of the header": over(head + "=", payload),
        "spaces in the payload": over(head, "    " + payload),
        "other characters in the payload": over(head, "####" + payload),
        "one other character in the payload": over(head, "?" + payload),
        "padding of the payload": over(head, payload + "=="),
        "bits to spare in the payload": over(head, "AB"),
        "one character as payload": over(head, "A"),
        "the other alphabet": over(head, "+/+/"),
    }
    # The tags that look most like other things.
    edge = 0
    while not sign(compact(header, b"T%d" % edge, sign).rsplit(".", 1)[0].encode()).startswith(b"\0\0"):
        edge += 1
    good_ones = [
        ("valid", True, good),
        ("tag that begins with zeros", True, compact(header, b"T%d" % edge, sign)),
        ("spaces in the header's JSON", True, compact(b'{ "alg" : "HS256" }', b"Test", sign)),
        ("white space in the header's JSON", True, compact(b'{\n\t"alg":"HS256"}\r\n', b"Test", sign)),
        ("an escape in the header's JSON", True, compact(b'{"\\u0061lg":"HS256"}', b"Test", sign)),
    ]
    group("base64", oct("HS256", SECRET), good_ones + [(n, False, jws) for n, jws in bad.items()])


def ecdsa_groups():
    header = {"alg": "ES256"}
    tests = structure(header, es256) + payloads(header, es256)
    point = b"\x04" + octets(EC.x, 32) + octets(EC.y, 32)
    secrets = {"point": point, "x": octets(EC.x, 32), "JWK": json.dumps(EC.jwk()).encode()}
    for name, secret in secrets.items():
        text = compact({"alg": "HS256"}, b"foo", mac(secret))
        tests.append((f"HMAC with the {name} of the key", False, text))
    other = Ec("other")
    embedded = {"alg": "ES256", "jwk": other.jwk()}
    tests.append(("a key in the header", False, compact(embedded, b"foo", lambda m: fixed(*other.sign(m)))))
    own = {"alg": "ES256", "jwk": EC.jwk()}
    tests.append(("our own key in the header", False, compact(own, b"foo", es256)))
    tests.append(("a stranger's signature", False, compact(header, b"foo", lambda m: fixed(*other.sign(m)))))
    tests.append(("SHA-512", False, compact(header, b"foo", lambda m: fixed(*EC.sign(m, "sha512")))))
    group("ES256", EC.jwk(), tests)

    def special(change):
        return compact(header, b"foo", lambda message: change(*EC.sign(message)))

    tests = [
        ("valid", True, special(fixed)),
        ("the other s", True, special(lambda r, s: fixed(r, N - s))),
        ("DER", False, special(der)),
        ("a byte too long", False, special(lambda r, s: fixed(r, s, 33))),
        ("a zero after it", False, special(lambda r, s: fixed(r, s) + b"\0")),
        ("a zero before it", False, special(lambda r, s: b"\0" + fixed(r, s))),
        ("a byte too short", False, special(lambda r, s: fixed(r, s)[:-1])),
        ("only r", False, special(lambda r, s: octets(r, 32))),
        ("s before r", False, special(lambda r, s: fixed(s, r))),
        ("r beyond the order", False, special(lambda r, s: fixed(r + N, s, 33))),
        ("s beyond the order", False, special(lambda r, s: fixed(r, s + N, 33))),
        ("r with a bit beyond 256", False, special(lambda r, s: fixed(r + (1 << 256), s, 33))),
        ("s with a bit beyond 256", False, special(lambda r, s: fixed(r, s + (1 << 256), 33))),
        ("n - r", False, special(lambda r, s: fixed(N - r, s))),
        ("very long", False, special(lambda r, s: bytes(512) + fixed(r, s))),
        ("ASCII", False, special(lambda r, s: fixed(r, s).hex().encode())),
    ]
    edges = {"0": 0, "1": 1, "n - 1": N - 1, "n": N, "n + 1": N + 1, "p": P, "2^256 - 1": (1 << 256) - 1}
    for r_name, r in edges.items():
        for s_name, s in edges.items():
            text = special(lambda _r, _s, r=r, s=s: fixed(r, s))
            tests.append((f"r is {r_name}, s is {s_name}", False, text))
    group("special ES256", EC.jwk(), tests)


def spoiled_infos(digest):
    """DigestInfo (RFC 8017 section 9.2) with something wrong in it."""
    oid, null = bytes.fromhex(OIDS["sha256"]), b"\x05\x00"
    algorithm = tlv(0x30, oid + null)
    octet_string = tlv(4, digest)
    whole = tlv(0x30, algorithm + octet_string)
    yield "no NULL", tlv(0x30, tlv(0x30, oid) + octet_string)
    yield "NULL with content", tlv(0x30, tlv(0x30, oid + b"\x05\x01\x00") + octet_string)
    yield "two NULLs", tlv(0x30, tlv(0x30, oid + null + null) + octet_string)
    yield "only the digest", digest
    yield "only the octet string", octet_string
    yield "empty", b""
    yield "no digest", tlv(0x30, algorithm)
    yield "empty digest", tlv(0x30, algorithm + tlv(4, b""))
    yield "short digest", tlv(0x30, algorithm + tlv(4, digest[:-1]))
    yield "long digest", tlv(0x30, algorithm + tlv(4, digest + b"\0"))
    yield "digest in other bytes", tlv(0x30, algorithm + tlv(4, digest[::-1]))
    yield "digest twice", tlv(0x30, algorithm + octet_string + octet_string)
    yield "swapped", tlv(0x30, octet_string + algorithm)
    yield "wrapped once more", tlv(0x30, whole)
    for hash_name in OIDS:
        if hash_name != "sha256":
            yield f"says {hash_name}", digest_info(hash_name, digest)
    pieces = {
        "the whole": lambda part: part(0x30, algorithm + octet_string),
        "the algorithm": lambda part: tlv(0x30, part(0x30, oid + null) + octet_string),
        "the OID": lambda part: tlv(0x30, tlv(0x30, part(6, oid[2:]) + null) + octet_string),
        "the NULL": lambda part: tlv(0x30, tlv(0x30, oid + part(5, b"")) + octet_string),
        "the digest": lambda part: tlv(0x30, algorithm + part(4, digest)),
    }
    for name, piece in pieces.items():
        for tag in (0x00, 0x01, 0x03, 0x13, 0x31, 0x80, 0xA0, 0xFF):
            yield f"tag {tag:#x} of {name}", piece(lambda _tag, content, tag=tag: tlv(tag, content))
        lengths = {
            "one more": lambda size: bytes([size + 1]),
            "one less": lambda size: bytes([(size - 1) % 128]),
            "zero": lambda size: b"\0" if size else b"\x01",
            "long form": lambda size: bytes([0x81, size]),
            "long form with zeros": lambda size: bytes([0x82, 0, size]),
            "longer form with zeros": lambda size: bytes([0x84, 0, 0, 0, size]),
            "2^32 more": lambda size: bytes([0x85, 1, 0, 0, 0, size]),
            "2^64 more": lambda size: bytes([0x89, 1, 0, 0, 0, 0, 0, 0, 0, size]),
            "2^31 - 1": lambda size: b"\x84\x7f\xff\xff\xff",
            "2^64 - 1": lambda size: b"\x88" + b"\xff" * 8,
            "indefinite": lambda size: b"\x80",
            "indefinite, ended": None,
            "of the reserved kind": lambda size: b"\xff",
        }
        for kind, length in lengths.items():
            if length is None:
                yield f"length of {name} {kind}", piece(lambda t, c: tlv(t, c + b"\0\0", b"\x80"))
            else:
                yield f"length of {name} {kind}", piece(lambda t, c, f=length: tlv(t, c, f(len(c))))
        yield f"garbage before {name}", piece(lambda t, c: tlv(4, b"\x49\x77") + tlv(t, c))
        yield f"garbage after {name}", piece(lambda t, c: tlv(t, c) + tlv(4, b"\x49\x77"))
        yield f"zeros after {name}", piece(lambda t, c: tlv(t, c) + b"\0\0")
        yield f"garbage inside {name}", piece(lambda t, c: tlv(t, c + tlv(4, b"\x49\x77")))
        yield f"end of contents inside {name}", piece(lambda t, c: tlv(t, c + b"\0\0"))


def pkcs1_groups():
    header = {"alg": "RS256"}
    tests = structure(header, rsa("sha256")) + payloads(header, rsa("sha256"))
    public = json.dumps(RSA.jwk("RS256")).encode()
    for name, secret in {"modulus": octets(RSA.n), "JWK": public}.items():
        text = compact({"alg": "HS256"}, b"foo", mac(secret))
        tests.append((f"HMAC with the {name} of the key", False, text))
    own = {"alg": "RS256", "jwk": RSA.jwk("RS256")}
    tests.append(("our own key in the header", False, compact(own, b"foo", rsa("sha256"))))
    group("RS256", RSA.jwk("RS256"), tests)
    for bits in (384, 512):
        group(f"RS{bits}", RSA.jwk(f"RS{bits}"), payloads({"alg": f"RS{bits}"}, rsa(f"sha{bits}")))

    def text(block):
        return compact(header, b"foo", lambda message: RSA.raw(block(hashlib.sha256(message).digest())))

    digest = bytes(32)
    tests = []
    for index, (name, _) in enumerate(spoiled_infos(digest)):

        def block(digest, index=index):
            return padded(list(spoiled_infos(digest))[index][1], RSA.length)

        tests.append((name, False, text(block)))
    fillers = {
        "block type 0": lambda info: padded(info, 256, b"\0", b"\0\0"),
        "block type 2": lambda info: padded(info, 256, b"\xaa", b"\0\2"),
        "block type 1 at the front": lambda info: b"\x00" + padded(info, 255, b"\xff", b"\1\1"),
        "filled with zeros": lambda info: padded(info, 256, b"\0"),
        "filled with 0xfe": lambda info: padded(info, 256, b"\xfe"),
        "one byte of the filling is another": lambda info: padded(info, 256)[:100] + b"\xfe" + padded(info, 256)[101:],
        "the last byte of the filling is another": lambda info: padded(info, 256).replace(b"\xff\x00\x30", b"\xfe\x00\x30"),
        "no separator": lambda info: b"\0\1" + b"\xff" * (254 - len(info)) + info,
        "two separators": lambda info: b"\0\1" + b"\xff" * (252 - len(info)) + b"\0\0" + info,
        "separator 0xff": lambda info: padded(info, 256).replace(b"\xff\x00\x30", b"\xff\xff\x30"),
        "eight bytes of filling, garbage after": lambda info: b"\0\1" + b"\xff" * 8 + b"\0" + info + stream("garbage", 245 - len(info)),
        "eight bytes of filling, zeros after": lambda info: b"\0\1" + b"\xff" * 8 + b"\0" + info + bytes(245 - len(info)),
        "no filling, garbage after": lambda info: b"\0\1\0" + info + stream("garbage", 253 - len(info)),
        "one byte after": lambda info: padded(info, 255) + b"\0",
        "not padded": lambda info: bytes(256 - len(info)) + info,
        "only filling": lambda info: b"\0\1" + b"\xff" * 254,
        "zeros": lambda info: bytes(256),
    }
    for name, fill in fillers.items():
        tests.append((name, False, text(lambda digest, fill=fill: fill(digest_info("sha256", digest)))))

    def changed(change):
        return compact(header, b"foo", lambda message: change(rsa("sha256")(message)))

    numbers = {
        "a zero before the signature": lambda s: b"\0" + s,
        "a zero after the signature": lambda s: s + b"\0",
        "the first byte missing": lambda s: s[1:],
        "the last byte missing": lambda s: s[:-1],
        "plus the modulus": lambda s: octets(number(s) + RSA.n, 257),
        "the modulus minus it": lambda s: octets(RSA.n - number(s), 256),
        "backwards": lambda s: s[::-1],
        "0": lambda s: bytes(256),
        "1": lambda s: octets(1, 256),
        "n - 1": lambda s: octets(RSA.n - 1, 256),
        "n": lambda s: octets(RSA.n, 256),
        "2^2048 - 1": lambda s: b"\xff" * 256,
        "not raised to anything": lambda s: octets(pow(number(s), 65537, RSA.n), 256),
    }
    tests += [(f"signature: {name}", False, changed(change)) for name, change in numbers.items()]
    for hash_name in ("sha1", "sha224", "sha384", "sha512"):
        tests.append((f"signed with {hash_name}", False, compact(header, b"foo", rsa(hash_name))))
    tests.append(("signed with PSS", False, compact(header, b"foo", rsa_pss("sha256"))))
    group("PKCS #1 v1.5 padding", RSA.jwk("RS256"), tests)


def pss_groups():
    for bits in (256, 384, 512):
        hash_name, size = f"sha{bits}", bits // 8
        header = {"alg": f"PS{bits}"}
        key = RSA.jwk(f"PS{bits}")

        def made(header=header, hash_name=hash_name, **how):
            return compact(header, b"123400", rsa_pss(hash_name, **how))

        def with_part(name, value, made=made):
            return made(change=lambda parts: parts.__setitem__(name, value(parts[name])))

        tests = payloads(header, rsa_pss(hash_name))
        tests.append(("salt of zeros", True, made(salt=bytes(size))))
        tests.append(("salt of 0xff", True, made(salt=b"\xff" * size)))
        longest = RSA.length - size - 2
        for length in (0, 1, 20, size - 1, size + 1, longest):
            tests.append((f"salt of {length} bytes", False, made(salt=stream("salt", length))))
        for other in ("sha1", "sha224", "sha256", "sha384", "sha512"):
            if other != hash_name:
                tests.append((f"{other}", False, made(hash_name=other, salt=stream("salt", size))))
                tests.append((f"{other} for the mask", False, made(mgf=other)))
        flip = lambda at: lambda part: part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]
        parts = {
            "first byte of the hash": ("hash", flip(0)),
            "last byte of the hash": ("hash", lambda part: part[:-1] + bytes([part[-1] ^ 1])),
            "hash of zeros": ("hash", lambda part: bytes(len(part))),
            "first byte of the salt": ("salt", flip(0)),
            "last byte of the salt": ("salt", lambda part: part[:-1] + bytes([part[-1] ^ 0x80])),
            "last zero of the filling": ("ps", lambda part: part[:-1] + b"\x01"),
            "a zero in the middle": ("ps", flip(40)),
            "filling of 0xff": ("ps", lambda part: b"\0" + b"\xff" * (len(part) - 1)),
            "no one before the salt": ("one", lambda part: b"\0"),
            "two before the salt": ("one", lambda part: b"\2"),
            "trailer 0xbd": ("trailer", lambda part: b"\xbd"),
            "trailer 0": ("trailer", lambda part: b"\0"),
            "trailer 0xcc": ("trailer", lambda part: b"\xcc"),
        }
        for name, (part, value) in parts.items():
            tests.append((f"changed: {name}", False, with_part(part, value)))
        tests.append(("without its last byte", False, made().rsplit(".", 1)[0] + "." + b64(base64.urlsafe_b64decode(made().rsplit(".", 1)[1] + "==")[:-1])))
        for name, value in {"0": bytes(256), "1": octets(1, 256), "n": octets(RSA.n)}.items():
            tests.append((f"signature is {name}", False, compact(header, b"123400", lambda _m, v=value: v)))
        for other in (256, 384, 512):
            text = compact(header, b"123400", rsa(f"sha{other}"))
            tests.append((f"signed with RS{other}", False, text))
            tests.append((f"says RS{other}", False, compact({"alg": f"RS{other}"}, b"123400", rsa(f"sha{other}"))))
            if other != bits:
                tests.append((f"signed with PS{other}", False, compact(header, b"123400", rsa_pss(f"sha{other}"))))
                tests.append((f"says PS{other}", False, compact({"alg": f"PS{other}"}, b"123400", rsa_pss(f"sha{other}"))))
        group(f"PS{bits}", key, tests)


def key_groups():
    good_rsa = compact({"alg": "RS256"}, b"foo", rsa("sha256"))
    good_ec = compact({"alg": "ES256"}, b"foo", es256)
    good_mac = compact({"alg": "HS256", "kid": "a"}, b"foo", mac(SECRET))
    one = lambda name, valid, text: [(name, valid, text)]

    group("operations", RSA.jwk("RS256", use=None, key_ops=["verify"]), one("right operations", True, good_rsa))
    for comment, jwk, text in (
        ("RSA", lambda **more: RSA.jwk(**more), good_rsa),
        ("EC", lambda **more: EC.jwk(**more), good_ec),
    ):
        group(comment, jwk(use="enc"), one("wrong use", False, text))
        group(comment, jwk(use="enc", alg=None), one("wrong use, no alg", False, text))
        group(comment, jwk(use=None, key_ops=["encrypt"]), one("wrong operations", False, text))
        group(comment, jwk(use=None, key_ops=["sign"]), one("only sign", False, text))
        group(comment, jwk(use=None, key_ops=[]), one("no operations", False, text))
    group("RSA", RSA.jwk("RSA1_5", use="enc"), one("a key for encryption", False, good_rsa))
    for alg in ("PS256", "RS384", "ES256", "HS256", "none", "RS257"):
        group("RSA", RSA.jwk(alg), one(f"the key says {alg}", False, good_rsa))
    for alg in ("ES384", "ES512", "ES521", "ES224", "EdDSA", "RS256", "HS256"):
        group("EC", EC.jwk(alg), one(f"the key says {alg}", False, good_ec))

    small = Rsa("small", 1024)
    def small_sign(message):
        return small.raw(padded(digest_info("sha256", hashlib.sha256(message).digest()), small.length))
    group("RSA", small.jwk("RS256"), one("1024 bits", False, compact({"alg": "RS256"}, b"foo", small_sign)))
    def unsigned(message):
        return padded(digest_info("sha256", hashlib.sha256(message).digest()), RSA.length)
    identity = compact({"alg": "RS256"}, b"foo", unsigned)
    group("RSA", RSA.jwk("RS256", e="AQ"), one("exponent 1", False, identity))
    for e in ("Aw", "EQ", "AA", "AQAA", ""):
        group("RSA", RSA.jwk("RS256", e=e), one(f"exponent {e}", False, good_rsa))
    # The fingerprint of CVE-2017-15361: a power of 65537 modulo small primes.
    group("RSA", RSA.jwk("RS256", n=b64(octets(65537**127))), one("ROCA", False, good_rsa))
    group("RSA", RSA.jwk("RS256", n=b64(octets(RSA.n + 1))), one("even modulus", False, good_rsa))
    group("RSA", RSA.jwk("RS256", n=b64(b"\0" + octets(RSA.n))), one("a zero before the modulus", False, good_rsa))
    group("RSA", RSA.jwk("RS256", kty="EC"), one("wrong kty", False, good_rsa))

    x, y = octets(EC.x, 32), octets(EC.y, 32)
    for name, change in {
        "point off the curve": {"y": b64(octets(EC.y ^ 1, 32))},
        "point at zero": {"x": b64(bytes(32)), "y": b64(bytes(32))},
        "coordinates swapped": {"x": b64(y), "y": b64(x)},
        "x beyond the field": {"x": b64(octets((EC.x + P) % (1 << 256), 32))},
        "a zero before x": {"x": b64(b"\0" + x)},
        "x without its first byte": {"x": b64(x[1:])},
        "x absent": {"x": None},
        "another curve": {"crv": "P-384"},
        "an unknown curve": {"crv": "P-255"},
        "wrong kty": {"kty": "RSA"},
        "private": {"d": b64(octets(EC.d, 32))},
    }.items():
        group("EC", EC.jwk(**change), one(name, False, good_ec))

    for bits in (256, 384, 512):
        alg, hash_name = f"HS{bits}", f"sha{bits}"
        for name, secret, valid in (
            ("long key", stream("long", 65), True),
            ("key as long as the hash", stream("long", bits // 8), True),
            ("key too short", stream("long", bits // 8 - 1), False),
            ("key of zeros too short", bytes(8), False),
            ("empty key", b"", False),
        ):
            text = compact({"alg": alg}, b"foo", mac(secret, hash_name))
            group(alg, oct(alg, secret), one(name, valid, text))
    for alg in ("A256GCM", "A256KW", "dir", "HS255"):
        group("oct", oct(alg, SECRET), one(f"a key for {alg}", False, good_mac))
    group("oct", oct("HS256", SECRET, use="enc"), one("wrong use", False, good_mac))

    both = lambda *keys: {"keys": list(keys)}
    first, second = oct("HS256", SECRET, kid="a"), oct("HS256", stream("second", 32), kid="b")
    group("a set", both(first, second), [
        ("valid", True, good_mac),
        ("modified signature", False, good_mac[:-5] + "AAAAA"),
        ("the other key's id", False, compact({"alg": "HS256", "kid": "b"}, b"foo", mac(SECRET))),
        ("an unknown id", False, compact({"alg": "HS256", "kid": "c"}, b"foo", mac(SECRET))),
    ])
    group("a set", both(first, {**second, "kid": "a"}), one("one id for two keys", False, good_mac))
    ec, other = EC.jwk(kid="e"), RSA.jwk("RS256", kid="r")
    with_id = compact({"alg": "ES256", "kid": "e"}, b"foo", es256)
    group("a set", both(first, ec), [("secret and public mixed", False, good_mac), ("secret and public mixed", False, with_id)])
    group("a set", both(ec, other), [
        ("valid", True, with_id),
        ("the other key's id", False, compact({"alg": "ES256", "kid": "r"}, b"foo", es256)),
        ("the other key's algorithm", False, compact({"alg": "RS256", "kid": "e"}, b"foo", rsa("sha256"))),
    ])
    group("a set", both(ec, {**other, "kid": "e"}), one("one id for two keys", False, with_id))
    group("a set", both(ec, {**other, "d": "AA"}), one("a private member beside it", False, with_id))


def main():
    hmac_groups()
    base64_group()
    ecdsa_groups()
    pkcs1_groups()
    pss_groups()
    key_groups()
    count = 0
    for one in groups:
        for test in one["tests"]:
            count += 1
            test["tcId"] = count
    print(json.dumps({"numberOfTests": count, "testGroups": groups}, indent=0, ensure_ascii=True))
    print(count, file=sys.stderr)


main()
