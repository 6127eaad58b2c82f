"""What the station keeps: records in a database, images and anomaly maps as files."""
