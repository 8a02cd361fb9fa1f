"""The prediction log: a recorder that never harms its caller, a spool of lines, and tables that are rolled up from it."""
