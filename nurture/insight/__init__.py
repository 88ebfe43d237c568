"""What the store can tell: stories of leads, reports, calibration."""
