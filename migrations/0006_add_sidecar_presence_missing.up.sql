-- Which keys a sidecar misses, as snapshots name them (policy/provider), separated by commas: only it knows, because only the kubelet
-- reads Secrets.
ALTER TABLE sidecar_presence ADD COLUMN missing text NOT NULL DEFAULT '';
