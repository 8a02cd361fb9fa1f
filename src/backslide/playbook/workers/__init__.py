"""Checks that other processes do beside this one."""
