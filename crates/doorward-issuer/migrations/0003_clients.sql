-- Service clients: programs that sign in with a secret of their own.
--
-- A row is never deleted: an id that was given once means the same program for
-- good. The name is free again when its client is removed.

INSERT INTO head (name, value) VALUES ('clients', 0);

CREATE TABLE client (
    id               TEXT   NOT NULL PRIMARY KEY, -- `client_id` and `sub` of its tokens
    name             TEXT   NOT NULL,
    tenant           TEXT   NOT NULL REFERENCES tenant (name),
    roles            TEXT   NOT NULL, -- separated by spaces
    permissions      TEXT   NOT NULL, -- patterns of its own, separated by spaces
    secret_mac       BLOB   NOT NULL, -- HMAC under a key derived from the master key
    last_four        TEXT   NOT NULL, -- of the secret's text, to tell secrets apart
    old_secret_mac   BLOB,            -- the secret before, during its overlap
    old_secret_until BIGINT,
    tokens_from      BIGINT NOT NULL, -- seconds: its access tokens issued before are refused
    change           BIGINT NOT NULL, -- the head's number when the row last changed
    disabled_at      BIGINT,
    removed_at       BIGINT,
    created_at       BIGINT NOT NULL,
    CHECK ((old_secret_mac IS NULL) = (old_secret_until IS NULL))
);
CREATE UNIQUE INDEX client_by_name ON client (name) WHERE removed_at IS NULL;
CREATE INDEX client_by_change ON client (change);
