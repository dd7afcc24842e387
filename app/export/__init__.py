"""The export engine: formats, parity certificate, bundle."""
