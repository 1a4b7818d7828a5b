"""Checks a Doorward access token with PyJWT.

    python check.py JWKS_URL ISSUER AUDIENCE < token
"""

import sys

import jwt

# Seconds that two clocks may differ. PyJWT refuses an `iat` ahead of its own
# clock, and a token made within a second of a change of rights is dated after it.
LEEWAY = 5


def check(token, jwks_url, issuer, audience):
    """The claims of a good token; raises jwt.PyJWTError for any other."""
    key = jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt(token)
    decoded = jwt.decode_complete(
        token,
        key,
        algorithms=["ES256"],  # never taken from the token
        issuer=issuer,
        audience=audience,
        leeway=LEEWAY,
        options={"require": ["iss", "aud", "sub", "exp", "iat", "jti"]},
    )
    # RFC 9068 section 4: another kind of token of the same issuer is no access token.
    if str(decoded["header"].get("typ")).lower() not in ("at+jwt", "application/at+jwt"):
        raise jwt.InvalidTokenError("not an access token")
    return decoded["payload"]


def main(jwks_url, issuer, audience):
    try:
        claims = check(sys.stdin.read().strip(), jwks_url, issuer, audience)
    except jwt.PyJWTError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    print(claims["sub"], *claims.get("permissions", []))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
