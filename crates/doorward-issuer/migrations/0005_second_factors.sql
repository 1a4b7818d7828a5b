-- Second factors of users: an authenticator (RFC 6238) and recovery codes.

CREATE TABLE totp (
    account_id     TEXT   NOT NULL PRIMARY KEY REFERENCES account (id),
    sealed_secret  BLOB   NOT NULL,
    last_step      BIGINT NOT NULL, -- the step of the last code that was accepted: none counts twice
    failures       BIGINT NOT NULL, -- wrong codes since the last right one
    last_failed_at BIGINT NOT NULL,
    confirmed_at   BIGINT,          -- absent: begun, and not asked for yet
    created_at     BIGINT NOT NULL
);

CREATE TABLE recovery_code (
    account_id TEXT   NOT NULL REFERENCES account (id),
    mac        BLOB   NOT NULL, -- HMAC under a key derived from the master key
    used_at    BIGINT,
    PRIMARY KEY (account_id, mac)
);
