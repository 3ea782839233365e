-- SPDX-License-Identifier: Apache-2.0
--
-- Which text each migration had when it was applied, so that one edited since is
-- noticed. Rows are written by the program, with the migration (migrate.go).

CREATE TABLE migration (
  version BIGINT NOT NULL,
  name    {text} NOT NULL,
  sum     {text} NOT NULL, -- SHA-256 of the text, in hex
  PRIMARY KEY (version)
);
