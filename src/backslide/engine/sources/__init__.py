"""Where rows come from: files, databases, data frames and snapshots, read batch by batch."""
