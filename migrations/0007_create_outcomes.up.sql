-- What happened: finished calls, their tries, what people and programs thought of them, and penalties. Amounts are whole
-- pico-USD (10⁻¹² USD), as in the budget tables.
--
-- Partitions are of one day (UTC). A row's day is that of its UUIDv7, not that of its arrival: a record that comes again,
-- however late, meets itself, so that the primary key makes it idempotent. Old partitions go by DETACH and DROP. What is of
-- no day that has a partition (a clock that was wrong) is kept in the default partition.

-- One row per call. `decision` is the UUIDv7 that the answer carried.
CREATE TABLE llm_interaction (
    day                 date NOT NULL,
    decision            uuid NOT NULL,
    -- The user's turn (UUIDv7); a record without one is refused.
    trace               uuid NOT NULL,
    -- What belongs together in the client's words, else the turn.
    interaction         uuid NOT NULL,
    started_at          timestamptz NOT NULL,
    -- When it came here; the incremental roll-up finds by it what is new.
    ingested_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    namespace           text NOT NULL,
    -- Name of the RoutingPolicy; NULL where none decided.
    policy              text,
    policy_generation   bigint,
    snapshot            bigint,
    -- The pod.
    sidecar             text NOT NULL,
    endpoint            text NOT NULL,
    session             text,
    category            text,
    complexity          smallint,
    streamed            boolean NOT NULL,
    -- The model as the client named it.
    asked               text,
    -- answered, clientError, refused, failed, cut, cancelled.
    outcome             text NOT NULL,
    status              integer,
    error_type          text,
    -- Of the last try, which for an answered call is the one that served: key of the scoreboard, `<upstream>/<model>`, and
    -- the model in the upstream's words. NULL where nothing was tried.
    model_key           text,
    deployment          text,
    provider            text,
    served              text,
    latency_ms          bigint NOT NULL,
    first_token_ms      bigint,
    decided_us          bigint,
    input_tokens        bigint,
    output_tokens       bigint,
    cache_read_tokens   bigint,
    cache_write_tokens  bigint,
    reasoning_tokens    bigint,
    -- All tries together; NULL is unknown, never zero.
    cost_pusd           bigint,
    cache_savings_pusd  bigint,
    -- Input and output tokens as a share of the context, 0 to 1.
    context_utilisation double precision,
    attempts            smallint NOT NULL,
    finish              text,
    -- What the answer itself says against it: refusal, invalid_json, invalid_tool_arguments. NULL where nothing does.
    signal              text,
    -- With which probability the decision put this candidate first; below 1 where it explored.
    probability         double precision NOT NULL DEFAULT 1,
    -- Deployments in the order of the decision.
    picks               text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (day, decision)
) PARTITION BY RANGE (day);
CREATE TABLE llm_interaction_default PARTITION OF llm_interaction DEFAULT;
CREATE INDEX llm_interaction_by_arrival ON llm_interaction USING brin (ingested_at);
CREATE INDEX llm_interaction_by_trace ON llm_interaction (trace);

-- One row per try of a call.
CREATE TABLE llm_attempt (
    day                date NOT NULL,
    decision           uuid NOT NULL,
    number             smallint NOT NULL,
    model_key          text NOT NULL,
    deployment         text NOT NULL,
    provider           text,
    served             text,
    -- succeeded, failed, cancelled.
    outcome            text NOT NULL,
    error_type         text,
    status             integer,
    span               text,
    -- Milliseconds since the call began.
    started_ms         bigint NOT NULL,
    latency_ms         bigint NOT NULL,
    first_token_ms     bigint,
    input_tokens       bigint,
    output_tokens      bigint,
    cache_read_tokens  bigint,
    cache_write_tokens bigint,
    reasoning_tokens   bigint,
    cost_pusd          bigint,
    assumed_cost_pusd  bigint,
    PRIMARY KEY (day, decision, number)
) PARTITION BY RANGE (day);
CREATE TABLE llm_attempt_default PARTITION OF llm_attempt DEFAULT;

-- What was thought of an answer. Many may speak of one call; the roll-up makes one judgement of them.
CREATE TABLE llm_feedback (
    day          date NOT NULL,
    -- UUIDv7, made by the sidecar.
    feedback     uuid NOT NULL,
    -- Day and id of the call; that may come later, or never.
    decision_day date NOT NULL,
    decision     uuid NOT NULL,
    namespace    text NOT NULL,
    received_at  timestamptz NOT NULL,
    ingested_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- 1 up, -1 down.
    thumb        smallint CHECK (thumb IN (-1, 1)),
    score        double precision CHECK (score BETWEEN -1 AND 1),
    abstain      boolean,
    confidence   double precision CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (day, feedback)
) PARTITION BY RANGE (day);
CREATE TABLE llm_feedback_default PARTITION OF llm_feedback DEFAULT;
CREATE INDEX llm_feedback_by_decision ON llm_feedback (decision_day, decision);
-- Few; a call looks for those that came before it.
CREATE INDEX llm_feedback_abstained ON llm_feedback (decision) WHERE abstain;

-- A model kept from a category for a while (FIX-12). Few, and kept as history.
CREATE TABLE model_penalty_event (
    -- Of the feedback that caused it, so that it cannot be caused twice.
    penalty   uuid PRIMARY KEY,
    model_key text NOT NULL,
    category  text NOT NULL,
    cause     text NOT NULL,
    decision  uuid,
    since     timestamptz NOT NULL,
    until     timestamptz NOT NULL
);
CREATE INDEX model_penalty_event_by_end ON model_penalty_event (until);
