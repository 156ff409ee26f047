DROP TABLE model_penalty_event;
DROP TABLE llm_feedback;
DROP TABLE llm_attempt;
DROP TABLE llm_interaction;
