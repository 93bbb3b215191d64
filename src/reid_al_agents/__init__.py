"""Agents, networks and the loop around the re-identification environment."""
