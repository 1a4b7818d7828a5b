-- Attributes of users, for claims of their tokens. A table of its own, so that
-- who asks for none reads none; a user without a row has none.

CREATE TABLE account_attributes (
    account_id TEXT   NOT NULL PRIMARY KEY REFERENCES account (id),
    attributes TEXT   NOT NULL, -- a JSON object of texts, numbers and flags
    version    BIGINT NOT NULL, -- rises with every change
    row_mac    BLOB   NOT NULL
);
