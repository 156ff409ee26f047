-- The catalog: what every source offers, how it came to be, and every attempt to learn of it.

-- One row per ModelCatalogSource object. The key is the object's uid: a source that is deleted and made again starts anew.
CREATE TABLE catalog_source (
    source_uid   text PRIMARY KEY,
    namespace    text NOT NULL,
    name         text NOT NULL,
    provider     text NOT NULL,
    -- Digest of all that shaped the published catalog; another plan may not be compared with it (shrink limit).
    plan_digest  text,
    -- Newest published revision; 0 before the first.
    revision     bigint NOT NULL DEFAULT 0,
    etag         text,
    -- When the provider last confirmed the catalog (a publication, an equal answer, or a 304).
    refreshed_at timestamptz,
    -- The object is gone; its history stays.
    retired_at   timestamptz
);
CREATE INDEX catalog_source_by_name ON catalog_source (namespace, name) WHERE retired_at IS NULL;

CREATE TABLE catalog_revision (
    source_uid   text NOT NULL REFERENCES catalog_source,
    revision     bigint NOT NULL CHECK (revision > 0),
    digest       text NOT NULL,
    models       bigint NOT NULL,
    added        bigint NOT NULL,
    removed      bigint NOT NULL,
    repriced     bigint NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (source_uid, revision)
);

-- The models of the newest revision, in the wire form of model-catalog.v1.schema.json.
CREATE TABLE catalog_entry (
    source_uid     text NOT NULL REFERENCES catalog_source,
    model_id       text NOT NULL,
    -- The revision that first had this model, counted since it was last absent.
    since_revision bigint NOT NULL,
    entry          jsonb NOT NULL,
    PRIMARY KEY (source_uid, model_id)
);

-- What each revision after the first changed. `before` and `after` hold the pricing.
CREATE TABLE catalog_change (
    source_uid text NOT NULL,
    revision   bigint NOT NULL,
    model_id   text NOT NULL,
    change     text NOT NULL CHECK (change IN ('added', 'removed', 'repriced')),
    before     jsonb,
    after      jsonb,
    PRIMARY KEY (source_uid, revision, model_id),
    FOREIGN KEY (source_uid, revision) REFERENCES catalog_revision
);

-- One row per discovery run (a Job), whatever became of it.
CREATE TABLE catalog_attempt (
    source_uid     text NOT NULL REFERENCES catalog_source,
    run            text NOT NULL,
    plan_digest    text NOT NULL,
    started_at     timestamptz NOT NULL,
    -- NULL while it runs.
    finished_at    timestamptz,
    -- Published, Unchanged, NotModified, or the class of the failure.
    outcome        text,
    message        text,
    retry_after_ms bigint,
    -- Failed attempts in a row, this one included; 0 after a good one.
    failures       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (source_uid, run)
);
CREATE INDEX catalog_attempt_by_time ON catalog_attempt (source_uid, started_at DESC);
