"""The agent: one daemon per cluster that verifies, applies, prunes and reports."""
