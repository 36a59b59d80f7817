"""Documents: what people and agents write, as frozen strict types with one canonical text and one hash each."""
