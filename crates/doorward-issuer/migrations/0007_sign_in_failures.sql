-- What admission counts, so that a restart forgets nothing.

CREATE TABLE sign_in_failure (
    kind  TEXT   NOT NULL, -- pair, account, network; familiar counts successes
    who   TEXT   NOT NULL, -- SHA-256 of the name that was claimed, network, or both
    count BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (kind, who)
);
CREATE INDEX sign_in_failure_by_at ON sign_in_failure (at);
