"""The engine against its peers. `python -m benchmarks.engine`; what it prints is said in benchmarks/README.md."""
