"""The field's own small transformers, as TransformerLens writes them: config, names and orientation, layers.

No library that the engine uses runs these, so their layers stand here. `architectures/toy.py` answers for them what
every family file answers.
"""
