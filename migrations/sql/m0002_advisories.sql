-- Verdicts about weights, and the ways on which they travel. Everything here can be rebuilt from documents.

-- Small numbers for weights ids: with them a hundred thousand edges are walked in milliseconds.
CREATE TABLE weights (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 32)
) STRICT;
INSERT INTO weights (id) SELECT DISTINCT weights_id FROM models;

-- How much of what a derivation made comes from a parent (null is one part of as many as there are parents), whether
-- the parent was only found by comparing weights, and the numbers of the weights of the parent (null while its model is
-- not on record) and of the model that was made.
ALTER TABLE parents ADD COLUMN share REAL NULL CHECK (share BETWEEN 0 AND 1);
ALTER TABLE parents ADD COLUMN inferred INTEGER NOT NULL DEFAULT 0 CHECK (inferred IN (0, 1));
ALTER TABLE parents ADD COLUMN above INTEGER NULL;
ALTER TABLE parents ADD COLUMN below INTEGER NULL;
UPDATE parents SET
  above = (SELECT w.number FROM models m JOIN weights w ON w.id = m.weights_id WHERE m.id = parents.parent),
  below = (
    SELECT w.number FROM derivations d JOIN models m ON m.id = d.model JOIN weights w ON w.id = m.weights_id
    WHERE d.digest = parents.derivation);
CREATE INDEX parents_down ON parents (above, below);
CREATE INDEX parents_up ON parents (below, above);

CREATE TRIGGER models_number AFTER INSERT ON models BEGIN
  INSERT INTO weights (id) SELECT new.weights_id WHERE NOT EXISTS (SELECT 1 FROM weights WHERE id = new.weights_id);
  UPDATE parents SET above = (SELECT number FROM weights WHERE id = new.weights_id) WHERE parent = new.id;
END;
CREATE TRIGGER parents_number AFTER INSERT ON parents BEGIN
  UPDATE parents SET
    above = (SELECT w.number FROM models m JOIN weights w ON w.id = m.weights_id WHERE m.id = new.parent),
    below = (
      SELECT w.number FROM derivations d JOIN models m ON m.id = d.model JOIN weights w ON w.id = m.weights_id
      WHERE d.digest = new.derivation)
  WHERE derivation = new.derivation AND position = new.position;
END;

-- What was measured of weights, with the tokenizer and the chat template of one model that has them.
CREATE TABLE evaluations (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  tokenizer BLOB NULL CHECK (length(tokenizer) = 32),
  chat_template BLOB NULL CHECK (length(chat_template) = 32),
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX evaluations_by_weights ON evaluations (weights_id, sequence);

-- A number for each metric and data set; of rates how many of how many.
CREATE TABLE metrics (
  evaluation BLOB NOT NULL REFERENCES evaluations (digest) ON DELETE CASCADE,
  name TEXT NOT NULL,
  data BLOB NOT NULL CHECK (length(data) = 32),
  value REAL NOT NULL,
  n INTEGER NULL CHECK (n > 0),
  hits INTEGER NULL CHECK (hits IS NULL OR n IS NOT NULL AND hits BETWEEN 0 AND n),
  PRIMARY KEY (evaluation, name, data)
) STRICT, WITHOUT ROWID;

-- Statements about weights that flow to whatever is made from them. The bounds that clear a descendant, one a line.
CREATE TABLE advisories (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  cleared_by TEXT NOT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX advisories_by_weights ON advisories (weights_id);

CREATE TABLE withdrawals (
  advisory BLOB PRIMARY KEY REFERENCES advisories (digest) CHECK (length(advisory) = 32),
  document BLOB NOT NULL UNIQUE CHECK (length(document) = 32),
  reason TEXT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL UNIQUE
) STRICT;

-- What was done with a flagged model because somebody allowed it, where no other document says so.
CREATE TABLE allowances (
  document BLOB PRIMARY KEY CHECK (length(document) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  sequence INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX allowances_by_model ON allowances (model);
