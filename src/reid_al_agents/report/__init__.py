"""Results for people and programs: rows, tables, plots and one self-contained page."""
