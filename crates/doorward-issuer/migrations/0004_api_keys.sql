-- API keys: credentials that act for a user or a client, within a limit.
--
-- A row is never deleted: an id that was given once is never given again.

CREATE TABLE api_key (
    id               TEXT   NOT NULL PRIMARY KEY,
    account_id       TEXT   REFERENCES account (id),
    client_id        TEXT   REFERENCES client (id),
    tenant           TEXT   NOT NULL REFERENCES tenant (name),
    purpose          TEXT   NOT NULL,
    permissions      TEXT,            -- the limit, separated by spaces; absent: all of its owner's
    networks         TEXT   NOT NULL, -- separated by spaces; none: from anywhere
    secret_mac       BLOB   NOT NULL, -- HMAC under a key derived from the master key
    last_four        TEXT   NOT NULL,
    old_secret_mac   BLOB,            -- the secret before, during its overlap
    old_secret_until BIGINT,
    tokens_from      BIGINT NOT NULL, -- seconds: tokens that it got before are refused
    valid_from       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    last_used_at     BIGINT,          -- to about a minute; written in batches
    revoked_at       BIGINT,
    created_at       BIGINT NOT NULL,
    CHECK ((account_id IS NULL) <> (client_id IS NULL)),
    CHECK ((old_secret_mac IS NULL) = (old_secret_until IS NULL))
);
CREATE INDEX api_key_by_account ON api_key (account_id);
CREATE INDEX api_key_by_client ON api_key (client_id);
