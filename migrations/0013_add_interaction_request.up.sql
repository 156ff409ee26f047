-- What was asked, as far as it decides: with it another policy can be asked about the same call. NULL in calls of before; those
-- say nothing of other policies.
ALTER TABLE llm_interaction
    -- Input tokens as they were estimated for the decision.
    ADD COLUMN estimated_tokens bigint,
    -- The longest answer that the client allowed.
    ADD COLUMN max_output_tokens bigint,
    -- What a model must have for it: tools, vision, jsonSchema.
    ADD COLUMN needs text[] NOT NULL DEFAULT '{}',
    -- Whether the client narrowed the choice in a way that is not kept: by a family, or by what the call may cost.
    ADD COLUMN narrowed boolean NOT NULL DEFAULT false;
