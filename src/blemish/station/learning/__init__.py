"""What the station learns from people: threshold, calibration, drift, the next data set."""
