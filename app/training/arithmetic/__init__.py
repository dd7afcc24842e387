"""Device, precision, memory format and compilation: rules, measurements, decisions."""
