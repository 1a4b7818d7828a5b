-- Where the signed feed of revocations stands.
--
-- The feed's chain is a hash over all entries since its epoch began, and old
-- rows of `revocation` are deleted. So that the chain can still be computed
-- after a restart, it is written down here up to a row, and only rows up to
-- that one may go.

-- One row.
CREATE TABLE feed (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch      TEXT   NOT NULL, -- of the feed; a new one makes verifiers read everything anew
    began_at   BIGINT NOT NULL, -- milliseconds; later epochs have later ones
    base_seq   BIGINT NOT NULL, -- the row of `revocation` up to which base_chain is
    base_chain TEXT   NOT NULL
);
