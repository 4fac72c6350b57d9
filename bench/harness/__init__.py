"""What bench/run is made of: processes, the three groups of measurements, and the table."""
