"""Values that all the Iceberg code shares. These modules import no other Iceberg module."""
