"""Implementations that the benchmarks compare with this project, one module for each library they are in."""
