"""Results as rows, tables, figures and pages that need no other file."""
