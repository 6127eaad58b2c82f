-- A station's database as revision 0002 of its tables made it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE calibrations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model TEXT NOT NULL, 
	made DATETIME NOT NULL, 
	scores JSON NOT NULL, 
	false_alarm_rate DOUBLE NOT NULL, 
	origin TEXT NOT NULL
);
INSERT INTO "calibrations" VALUES(1,'5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f','2026-11-30 08:23:27.963387','[0.5, 1.0, 2.5]',0.01,'the model file');
CREATE TABLE inspections (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	received DATETIME NOT NULL, 
	source TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"key" TEXT, 
	image TEXT, 
	image_bytes BIGINT NOT NULL, 
	image_type TEXT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	map TEXT, 
	map_bytes BIGINT NOT NULL, 
	map_low DOUBLE, 
	map_high DOUBLE, 
	score DOUBLE, 
	p_value DOUBLE, 
	is_anomalous BOOLEAN, 
	threshold DOUBLE, 
	false_alarm_rate DOUBLE, 
	model TEXT, 
	calibration BIGINT, 
	milliseconds DOUBLE, 
	error TEXT NOT NULL, 
	feedback TEXT, 
	note TEXT NOT NULL, 
	feedback_at DATETIME, 
	CONSTRAINT uq_inspections_key UNIQUE ("key")
);
INSERT INTO "inspections" VALUES(1,'2026-03-31 12:00:00.123456','watch','part.png','watch:1','abababababababababababababababababababababababababababababababab',1000,'image/png',640,480,'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd',10,-0.5,2.0,1.5,0.25,0,2.5,0.01,'5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f',1,12.5,'','good','clean','2026-11-30 08:23:27.947272');
CREATE TABLE models (
	fingerprint TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description JSON NOT NULL, 
	first_used DATETIME NOT NULL, 
	PRIMARY KEY (fingerprint)
);
INSERT INTO "models" VALUES('5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f','parts.onnx','{"method": "gtrans"}','2026-03-31 00:00:00.000000');
CREATE INDEX ix_inspections_received ON inspections (received);
CREATE INDEX ix_inspections_is_anomalous ON inspections (is_anomalous, id);
CREATE INDEX ix_inspections_feedback ON inspections (feedback, id);
CREATE INDEX ix_inspections_expired ON inspections (feedback, received, id);
CREATE INDEX ix_inspections_score ON inspections (score, id);
CREATE INDEX ix_inspections_image ON inspections (image, image_bytes);
CREATE INDEX ix_inspections_map ON inspections (map, map_bytes);
CREATE INDEX ix_calibrations_model ON calibrations (model, id);
CREATE INDEX ix_inspections_model ON inspections (model, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('inspections',1);
INSERT INTO "sqlite_sequence" VALUES('calibrations',1);
COMMIT;
