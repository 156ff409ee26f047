DROP TABLE sidecar_presence;
