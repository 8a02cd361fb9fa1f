"""What is the fix worth? Candidates, backtest, gate, artefact and policies."""
