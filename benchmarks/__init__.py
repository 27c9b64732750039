"""What is measured, how and against what: `python -m benchmarks` prints a table and keeps a dated file in results/."""
