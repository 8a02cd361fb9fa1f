"""One file for each family of faults: how it is recognised, repaired and done."""
