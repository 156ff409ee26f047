-- Which sidecars follow the snapshots of their namespace now, and which version each was sent. Every replica of the operator writes
-- those that it serves. Nothing here is worth keeping over a crash of the database: all is written again within half a minute.
CREATE UNLOGGED TABLE sidecar_presence (
    namespace text NOT NULL,
    pod       text NOT NULL,
    -- The policy that it names; empty when it names none and follows the namespace's default.
    policy    text NOT NULL,
    -- Whose row this is: a stream that ends removes no row that a newer stream of the same pod has taken over.
    stream    uuid NOT NULL,
    -- The newest version that it has or was sent; 0 for none.
    version   bigint NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (namespace, pod, policy)
);
