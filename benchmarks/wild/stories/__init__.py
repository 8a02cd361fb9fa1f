"""One file a family of incidents, one function an incident."""
