"""The evidence engine: re-runs what a finding states, on the real weights.

Knows nothing of the site: no Django, Celery or Redis. Its documents, judgements and statistics import no torch.
"""
