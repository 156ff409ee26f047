ALTER TABLE model_listing DROP COLUMN repriced_at;
