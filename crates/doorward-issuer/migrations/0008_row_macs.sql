-- Rows that give somebody a right carry a MAC under a key derived from the
-- master key: what others wrote into the database gives nothing. Absent in rows
-- of before; the first program that knows the column fills it in (`row_mac`).

ALTER TABLE account     ADD COLUMN row_mac BLOB;
ALTER TABLE role_grant  ADD COLUMN row_mac BLOB;
ALTER TABLE signing_key ADD COLUMN row_mac BLOB;
ALTER TABLE client      ADD COLUMN row_mac BLOB;
ALTER TABLE api_key     ADD COLUMN row_mac BLOB;
