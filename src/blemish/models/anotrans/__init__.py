"""AnoTrans: image anomaly detection with skip attention connections (ICANN 2022)."""
