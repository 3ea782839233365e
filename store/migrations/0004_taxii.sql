-- SPDX-License-Identifier: Apache-2.0
--
-- What the TAXII collections need: see 0001 for the words in braces.

-- When the changes from seq on were made: change seq + k at stamp + k, up to the
-- next row. So every change has an instant of its own that rises with its number.
CREATE TABLE epoch (
  seq   {rowid},
  stamp BIGINT NOT NULL
);
CREATE UNIQUE INDEX epoch_stamp ON epoch (stamp);
INSERT INTO epoch (seq, stamp) SELECT MIN(seq), MIN(at) FROM change HAVING COUNT(*) > 0;

-- The node's own collections are read in the order of the feed.
CREATE INDEX item_live ON item (latest, seq) WHERE withdrawn = 0;
CREATE INDEX item_seq ON item (seq) WHERE withdrawn = 0;

-- 1 for the newest disclosure of each sent id.
ALTER TABLE disclosure ADD COLUMN latest BIGINT NOT NULL DEFAULT 0;
UPDATE disclosure SET latest = 1 WHERE standing = 1
AND NOT EXISTS (SELECT 1 FROM disclosure n WHERE n.item_id = disclosure.sent_id AND n.party = disclosure.party AND n.idx > disclosure.idx
  AND n.sent_id = n.item_id AND n.standing = 1)
AND NOT EXISTS (SELECT 1 FROM disclosure n WHERE n.sent_id = disclosure.sent_id AND n.party = disclosure.party AND n.idx > disclosure.idx
  AND n.sent_id <> n.item_id AND n.standing = 1);
CREATE INDEX disclosure_latest ON disclosure (party, latest, stamp) WHERE standing = 1;
CREATE INDEX disclosure_agreement ON disclosure (party, agreement, latest, stamp) WHERE standing = 1;

-- What became of TAXII add requests, and what of them is still to be done.
CREATE TABLE added (
  id    {text} PRIMARY KEY,
  n     BIGINT NOT NULL,
  party {text} NOT NULL,
  done  BIGINT NOT NULL, -- when all of it was done; 0 = not yet
  body  {bytes} NOT NULL
);
CREATE INDEX added_party ON added (party, n);
CREATE INDEX added_done ON added (done) WHERE done > 0;
CREATE TABLE adding (
  n       BIGINT NOT NULL, -- of the request
  part    BIGINT NOT NULL,
  id      {text} NOT NULL,
  party   {text} NOT NULL,
  objects {bytes} NOT NULL,
  PRIMARY KEY (n, part)
);
CREATE INDEX adding_party ON adding (party, n, part);
INSERT INTO counter (name, n) VALUES ('added', 0);
