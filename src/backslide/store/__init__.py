"""State that outlives a run: watched periods, incidents' findings, messages, mutes, runs. SQLite, or PostgreSQL by URL."""
