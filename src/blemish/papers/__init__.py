"""The papers' tables, measured again: as data, by a runner on one machine or a cluster."""
