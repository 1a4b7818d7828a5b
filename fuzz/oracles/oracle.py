"""An oracle of the differential test: judges tokens with joserfc or PyJWT.

The first line of the input says what is wanted, each further line is a batch,
and each line of the output is its verdicts. See ../differential/src/oracle.rs.
"""

import json
import sys
import warnings


def joserfc(wanted):
    from joserfc import jwk, jws, jwt

    # Unknown parameters of the header must be ignored (RFC 7515 section 4), and
    # may be as long as ours.
    header = jws.JWSRegistry(algorithms=list(wanted["keys"]), strict_check_header=False)
    header.max_header_length = 4096
    keys = {name: jwk.import_key(key) for name, key in wanted["keys"].items()}
    registry = jwt.JWTClaimsRegistry(
        now=wanted["now"],
        leeway=wanted["leeway"],
        iss={"essential": True, "value": wanted["issuer"]},
        aud={"essential": True, "value": wanted["audience"]},
        **{name: {"essential": True} for name in ("sub", "exp", "iat", "jti", "client_id")},
    )

    def judge(algorithm, token):
        header.allowed = [algorithm]
        decoded = jwt.decode(token, keys[algorithm], registry=header)
        registry.validate(decoded.claims)
        return decoded.claims

    return judge


def pyjwt(wanted):
    import datetime

    import jwt

    class Told(datetime.datetime):
        """The library asks the clock, and is told the moment instead."""

        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(wanted["now"], tz)

    jwt.api_jwt.datetime = Told
    keys = {name: jwt.PyJWK(key) for name, key in wanted["keys"].items()}

    def judge(algorithm, token):
        return jwt.decode(
            token,
            keys[algorithm],
            algorithms=[algorithm],
            issuer=wanted["issuer"],
            audience=wanted["audience"],
            leeway=wanted["leeway"],
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]},
        )

    return judge


def main():
    warnings.simplefilter("ignore")  # `EdDSA` has another name now.
    wanted = json.loads(sys.stdin.readline())
    judge = {"joserfc": joserfc, "pyjwt": pyjwt}[sys.argv[1]](wanted)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        verdicts = []
        for algorithm, token, tell in json.loads(line):
            try:
                claims = judge(algorithm, token)
                verdicts.append(claims if tell else True)
            except Exception as error:  # Whatever it is, the token is not accepted.
                verdicts.append(f"{type(error).__name__}: {error}"[:120] if tell else False)
        print(json.dumps(verdicts), flush=True)


main()
