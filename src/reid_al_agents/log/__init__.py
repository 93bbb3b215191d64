"""The append-only event log and its import and export formats."""
