-- SPDX-License-Identifier: Apache-2.0
--
-- Feeds that the node fetches, and what they are worth.

CREATE TABLE feed (
  name     {text} PRIMARY KEY,
  settings {text} NOT NULL, -- JSON
  state    {text} NOT NULL  -- JSON: what the next run goes on from
);
CREATE TABLE feed_run (
  feed {text} NOT NULL,
  n    BIGINT NOT NULL,
  doc  {text} NOT NULL, -- JSON
  PRIMARY KEY (feed, n)
) {clustered};
-- What a feed of many parts has taken: an event's uuid, a file's name; and which of it.
CREATE TABLE feed_part (
  feed {text} NOT NULL,
  part {text} NOT NULL,
  mark {text} NOT NULL,
  PRIMARY KEY (feed, part)
) {clustered};

-- Which source brought which value, by the first 8 bytes of the value's SHA-256.
CREATE TABLE feed_value (
  h      BIGINT NOT NULL,
  source {text} NOT NULL,
  PRIMARY KEY (h, source)
) {clustered};
-- Values that a feed brought in items which another source had stored before,
-- until the pass over the change feed has come as far as seq.
CREATE TABLE feed_also (
  h      BIGINT NOT NULL,
  source {text} NOT NULL,
  seq    BIGINT NOT NULL,
  PRIMARY KEY (h, source)
) {clustered};
CREATE INDEX feed_also_seq ON feed_also (seq);
-- What became of an indicator, by the first 8 bytes of its id's SHA-256: bits of
-- a mark (appraise.go).
CREATE TABLE feed_mark (
  h      BIGINT NOT NULL PRIMARY KEY,
  source {text} NOT NULL,
  bits   BIGINT NOT NULL
) {clustered};
CREATE TABLE feed_tally (
  source {text} NOT NULL,
  metric {text} NOT NULL,
  n      BIGINT NOT NULL,
  PRIMARY KEY (source, metric)
) {clustered};
