"""Data faults: what a signature is, how their answers become faults, faults of some rows, and rehearsing with them."""
