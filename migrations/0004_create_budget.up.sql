-- Money: what each policy may spend on a day (UTC), and who holds how much of it. Amounts are whole pico-USD (10⁻¹² USD); a
-- bigint holds 9.2 million USD, and a larger limit counts as that.

-- One row per policy and day; it is also the lock under which leases of that day are granted.
CREATE TABLE budget_day (
    namespace  text NOT NULL,
    policy     text NOT NULL,
    day        date NOT NULL,
    -- As the policy said when a lease was last asked for.
    limit_pusd bigint NOT NULL CHECK (limit_pusd >= 0),
    -- Sum of what the day's leases have spent.
    spent_pusd bigint NOT NULL DEFAULT 0 CHECK (spent_pusd >= 0),
    -- Sum of what its open leases were granted and have not spent. A grant never takes both together above the limit.
    leased_pusd bigint NOT NULL DEFAULT 0 CHECK (leased_pusd >= 0),
    PRIMARY KEY (namespace, policy, day)
);
CREATE INDEX budget_day_by_day ON budget_day (day);

-- One row per lease: one sidecar, one day.
CREATE TABLE budget_lease (
    lease        uuid PRIMARY KEY,
    namespace    text NOT NULL,
    policy       text NOT NULL,
    day          date NOT NULL,
    -- The pod, for people.
    holder       text NOT NULL,
    -- All that was ever granted, and all that the holder said it spent; both only grow.
    granted_pusd bigint NOT NULL CHECK (granted_pusd >= 0),
    spent_pusd   bigint NOT NULL CHECK (spent_pusd >= 0),
    -- Without a word from the holder until then, the rest is shown as spent.
    expires_at   timestamptz NOT NULL,
    -- The holder gave the rest back; NULL while it may spend.
    settled_at   timestamptz,
    FOREIGN KEY (namespace, policy, day) REFERENCES budget_day ON DELETE CASCADE
);
CREATE INDEX budget_lease_by_day ON budget_lease (namespace, policy, day);
