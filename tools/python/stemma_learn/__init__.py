"""Reference programs of Stemma: learn (masks), evaluate (merges), synthesise (data sets).

job, data, refusals and philox need nothing but Python; the rest needs torch, transformers, safetensors and numpy.
"""
__version__ = "1.0.0"
