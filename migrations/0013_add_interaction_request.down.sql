ALTER TABLE llm_interaction
    DROP COLUMN estimated_tokens,
    DROP COLUMN max_output_tokens,
    DROP COLUMN needs,
    DROP COLUMN narrowed;
