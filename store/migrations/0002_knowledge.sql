-- SPDX-License-Identifier: Apache-2.0
--
-- What analysts and telemetry add to an item: JSON of its tags, of a false
-- positive, of when it was seen, and of its own markings where tags raise them.
ALTER TABLE item ADD COLUMN local {text} NOT NULL DEFAULT '';

-- The inverted index. An item's number n lies in block n / 4096; term is the term,
-- U+0001, and the block in 8 hexadecimal digits, so that a term's blocks lie
-- together and in order. ns are the numbers within the block (store/posting.go).
CREATE TABLE posting (
  term {text} PRIMARY KEY,
  ns   {bytes} NOT NULL
) {clustered};

-- From where else an item version came, in the same bytes.
CREATE TABLE provenance (
  id      {text} NOT NULL,
  version BIGINT NOT NULL,
  source  {text} NOT NULL,
  first   BIGINT NOT NULL,
  PRIMARY KEY (id, version, source)
) {clustered};
