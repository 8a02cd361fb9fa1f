"""Did we break it ourselves? What differs between two snapshots of the serving stack."""
