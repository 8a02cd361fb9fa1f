"""Payload logs of other servers: what a model was asked and what it answered, as rows of a log. One file a server."""
