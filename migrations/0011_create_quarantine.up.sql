-- Models that are kept from a category because their success there fell suddenly, until calls since then speak for them; that
-- the fall leaves the day's window is no reason, because that would be time alone.
CREATE TABLE model_quarantine (
    model_key      text NOT NULL,
    category       text NOT NULL,
    since          timestamptz NOT NULL,
    -- Successes before and since the fall, per mille, and the least that the former were for sure.
    was_per_mille  integer NOT NULL,
    low_per_mille  integer NOT NULL,
    is_per_mille   integer NOT NULL,
    -- When it ended. The row stays, so that the same fall, as long as the window has it, does not begin it again.
    released_at    timestamptz,
    PRIMARY KEY (model_key, category)
);
