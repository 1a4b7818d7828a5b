-- Tenants, accounts, sessions, keys, revocations and the audit log.
--
-- Portable on purpose: TEXT ids, BIGINT numbers, no triggers, no sequences.
-- Columns that end in _at are milliseconds since 1970 UTC; tokens_from and
-- issued_before are whole seconds, because they are compared with `iat`.

-- One row: what belongs to the installation as a whole.
CREATE TABLE installation (
    id                    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch                 TEXT   NOT NULL, -- changes when the store went back in time
    master_key_check      BLOB   NOT NULL, -- tells a wrong master key from a damaged row
    tokens_from           BIGINT NOT NULL, -- every access token issued before is refused
    longest_access_token  BIGINT NOT NULL, -- seconds; how long a revocation must be held
    created_at            BIGINT NOT NULL
);

-- Heads. A number is taken by updating the row inside the transaction that
-- uses it, so numbers follow the order of commits and have no gaps: whoever
-- reads by cursor never skips a row that commits late.
CREATE TABLE head (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO head (name, value) VALUES ('audit', 0), ('keys', 0), ('revocation', 0);

CREATE TABLE tenant (
    name       TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE account (
    id               TEXT   NOT NULL PRIMARY KEY,
    username         TEXT   NOT NULL UNIQUE,
    home_tenant      TEXT   NOT NULL REFERENCES tenant (name),
    password_hash    TEXT,
    version          BIGINT NOT NULL, -- rises when disabled, enabled or given a new password
    tokens_from      BIGINT NOT NULL, -- access tokens of this user issued before are refused
    tokens_from_used BIGINT NOT NULL CHECK (tokens_from_used IN (0, 1)),
    disabled_at      BIGINT,
    created_at       BIGINT NOT NULL
);

CREATE TABLE role_grant (
    account_id TEXT   NOT NULL REFERENCES account (id),
    tenant     TEXT   NOT NULL REFERENCES tenant (name),
    role       TEXT   NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, tenant, role)
);

-- One row from sign-in to sign-out; a refresh changes three numbers in it.
-- No column that a refresh changes is indexed.
CREATE TABLE session (
    id             TEXT   NOT NULL PRIMARY KEY,
    account_id     TEXT   NOT NULL REFERENCES account (id),
    tenant         TEXT   NOT NULL REFERENCES tenant (name),
    client_id      TEXT   NOT NULL,
    methods        TEXT   NOT NULL, -- `amr`, separated by spaces
    sealed_key     BLOB   NOT NULL, -- key of the inner MAC of its refresh tokens
    generation     BIGINT NOT NULL,
    rotated_at     BIGINT NOT NULL,
    idle_until     BIGINT NOT NULL,
    absolute_until BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    ended_at       BIGINT,
    end_cause      TEXT
);
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_by_absolute_until ON session (absolute_until);

CREATE TABLE signing_key (
    kid            TEXT   NOT NULL PRIMARY KEY,
    algorithm      TEXT   NOT NULL,
    public_jwk     TEXT   NOT NULL,
    sealed_private BLOB, -- only while pending, published or signing
    state          TEXT   NOT NULL CHECK (state IN ('pending', 'published', 'signing', 'verifying', 'destroyed')),
    state_at       BIGINT NOT NULL, -- seconds: since when, and for 'verifying' until when
    created_at     BIGINT NOT NULL,
    CHECK ((sealed_private IS NULL) = (state IN ('verifying', 'destroyed')))
);

CREATE TABLE revocation (
    seq           BIGINT NOT NULL PRIMARY KEY,
    kind          TEXT   NOT NULL,
    subject       TEXT   NOT NULL, -- jti, sid, sub, client_id, tenant or kid, as the kind says
    issued_before BIGINT,          -- seconds; only for kinds that are watermarks
    expires_at    BIGINT NOT NULL, -- seconds; no token that it concerns lives longer
    cause         TEXT   NOT NULL,
    revoked_at    BIGINT NOT NULL
);

CREATE TABLE audit (
    seq         BIGINT NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    tenant      TEXT,
    actor_kind  TEXT   NOT NULL,
    actor_id    TEXT   NOT NULL,
    action      TEXT   NOT NULL,
    object_kind TEXT   NOT NULL,
    object_id   TEXT   NOT NULL,
    session_id  TEXT,
    outcome     TEXT   NOT NULL CHECK (outcome IN ('done', 'refused')),
    detail      TEXT   NOT NULL  -- a JSON object
);
