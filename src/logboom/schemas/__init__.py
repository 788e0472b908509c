"""Wire schemas, shipped as they are: clients in other languages are generated from these files."""
