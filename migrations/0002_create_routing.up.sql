-- Routing: which generation of each policy serves, and the snapshot that sidecars of a namespace decide from.

-- One row per RoutingPolicy object that has ever been programmed; the last good generation, as the user wrote it.
CREATE TABLE routing_policy (
    policy_uid    text PRIMARY KEY,
    namespace     text NOT NULL,
    name          text NOT NULL,
    generation    bigint NOT NULL,
    spec          jsonb NOT NULL,
    programmed_at timestamptz NOT NULL
);
CREATE INDEX routing_policy_by_namespace ON routing_policy (namespace, name);

-- The newest snapshot of each namespace. A row stays when its last policy is gone: versions only go forwards.
CREATE TABLE routing_snapshot (
    namespace    text PRIMARY KEY,
    version      bigint NOT NULL,
    digest       text NOT NULL,
    -- The document as it is sent, byte for byte; its digest is over these bytes' meaning.
    document     bytea NOT NULL,
    published_at timestamptz NOT NULL
);
