DROP TABLE model_quarantine;
