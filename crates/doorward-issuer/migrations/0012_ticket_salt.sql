-- Random, and another one with each epoch and each master key that is retired:
-- whoever once had the root key and a copy of the database makes no tickets any
-- more. Absent in databases of before until then.

ALTER TABLE installation ADD COLUMN ticket_salt BLOB;
