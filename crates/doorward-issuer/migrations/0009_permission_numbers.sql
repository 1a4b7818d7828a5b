-- The numbers by which tokens name permissions. Rows are only ever added: what
-- a number once meant it means for ever, also when nobody holds it any more.

CREATE TABLE permission_number (
    number   BIGINT NOT NULL PRIMARY KEY,  -- from 0, without gaps
    name     TEXT   NOT NULL UNIQUE,
    added_at BIGINT NOT NULL,
    row_mac  BLOB   NOT NULL
);
