-- The root key of the database, on which everything secret hangs, sealed under
-- each master key that opens the database (`master_key`). A row whose key was
-- retired stays, without what was sealed, so that a node that still has this
-- key can be told.

CREATE TABLE root_key (
    fingerprint TEXT   NOT NULL PRIMARY KEY,  -- of the master key
    sealed      BLOB,                         -- absent once it is retired
    added_at    BIGINT NOT NULL,
    retired_at  BIGINT
);
