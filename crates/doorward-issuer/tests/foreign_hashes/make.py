"""Makes `hashes.jsonl`: one password, hashed by the tools that people come from.

    python3 -m venv venv && venv/bin/pip install argon2-cffi==25.1.0 bcrypt==5.0.0 \
        Django==5.2.19 passlib==1.7.4 Werkzeug==3.1.9
    venv/bin/python make.py > hashes.jsonl

The file is committed: the tests need none of this. Costs are low, so that they
are quick, but for `bcrypt-django`, which has Django's own.
"""

import base64
import hashlib
import json
import os

import argon2
import bcrypt
from django.conf import settings
from passlib.hash import pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt
from werkzeug.security import generate_password_hash

PASSWORD = "grüne Wiese, blauer Himmel"
BYTES = PASSWORD.encode()

settings.configure(
    PASSWORD_HASHERS=[
        f"django.contrib.auth.hashers.{name}PasswordHasher"
        for name in ["PBKDF2", "PBKDF2SHA1", "Scrypt", "BCrypt"]
    ]
)
from django.contrib.auth.hashers import (  # noqa: E402
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    make_password,
)


def b64(data):
    return base64.b64encode(data).decode().rstrip("=")


def argon(kind, passes, memory, lanes):
    hasher = argon2.PasswordHasher(
        time_cost=passes, memory_cost=memory, parallelism=lanes, type=kind
    )
    return hasher.hash(PASSWORD)


def bcrypted(prefix=b"2b"):
    return bcrypt.hashpw(BYTES, bcrypt.gensalt(8, prefix)).decode()


SALT = os.urandom(16)
SCRYPT = hashlib.scrypt(BYTES, salt=SALT, n=16384, r=8, p=2, maxmem=64 * 2**20, dklen=64)
PBKDF2 = hashlib.pbkdf2_hmac("sha256", BYTES, SALT, 12000)

HASHES = {
    "argon2id": argon(argon2.Type.ID, 2, 19456, 1),
    "argon2id-four-lanes": argon(argon2.Type.ID, 3, 32768, 4),
    "argon2i": argon(argon2.Type.I, 3, 8192, 1),
    "argon2-django": "argon2" + argon(argon2.Type.ID, 2, 16384, 2),
    "bcrypt-2a": bcrypted(b"2a"),
    "bcrypt-2b": bcrypted(),
    # PHP writes 2y for the same algorithm.
    "bcrypt-2y": "$2y" + bcrypted()[3:],
    "bcrypt-django": make_password(PASSWORD, hasher="bcrypt"),
    "scrypt-hashlib": f"$scrypt$ln=14,r=8,p=2${b64(SALT)}${b64(SCRYPT)}",
    "scrypt-passlib": scrypt.using(rounds=13, block_size=8, parallelism=1).hash(PASSWORD),
    "scrypt-django": make_password(PASSWORD, hasher="scrypt"),
    "scrypt-werkzeug": generate_password_hash(PASSWORD, "scrypt:16384:8:1"),
    "pbkdf2-hashlib": f"$pbkdf2-sha256$i=12000,l=32${b64(SALT)}${b64(PBKDF2)}",
    "pbkdf2-passlib-sha1": pbkdf2_sha1.using(rounds=12000).hash(PASSWORD),
    "pbkdf2-passlib-sha256": pbkdf2_sha256.using(rounds=12000).hash(PASSWORD),
    "pbkdf2-passlib-sha512": pbkdf2_sha512.using(rounds=12000).hash(PASSWORD),
    "pbkdf2-django-sha1": PBKDF2SHA1PasswordHasher().encode(PASSWORD, "saltofdjango1", 12000),
    "pbkdf2-django-sha256": PBKDF2PasswordHasher().encode(PASSWORD, "saltofdjango2", 12000),
    "pbkdf2-werkzeug-sha512": generate_password_hash(PASSWORD, "pbkdf2:sha512:12000"),
}

for name, password_hash in HASHES.items():
    print(json.dumps({"username": name, "password_hash": password_hash}))
