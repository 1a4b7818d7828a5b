-- Requests of administration that came with an Idempotency-Key. A row is
-- deleted a day later. And an index for the users of one tenant, by name.

CREATE TABLE idempotency (
    id            TEXT   NOT NULL PRIMARY KEY, -- SHA-256 of who asked and the key
    request       TEXT   NOT NULL,             -- SHA-256 of the path and the body
    sealed_answer BLOB,                        -- absent while it is being done
    created_at    BIGINT NOT NULL
);
CREATE INDEX idempotency_by_created_at ON idempotency (created_at);

CREATE INDEX account_by_home_tenant ON account (home_tenant, username);
