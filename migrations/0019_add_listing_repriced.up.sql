ALTER TABLE model_listing
    -- When a catalog last said another price than before; NULL where none did. What calls cost before that tells nothing of the price now.
    ADD COLUMN repriced_at timestamptz;
