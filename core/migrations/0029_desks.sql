-- Editorial desks: actors that are nobody's person. `answered_by` is the doctor who answers for one (JSON: uri and name), empty where
-- nobody does. The account of a desk of this instance has the kind 'desk', and in doctor_id the account of that doctor.
ALTER TABLE actors ADD COLUMN desk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE actors ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';
CREATE INDEX accounts_of_doctor ON accounts (doctor_id) WHERE doctor_id IS NOT NULL;
