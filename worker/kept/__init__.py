"""What the store keeps of a run, for those who look at it afterwards: audit, changes, report, reuse."""
