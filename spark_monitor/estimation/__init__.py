"""How well does the model do before its labels come? Calibration on the labelled baseline, and what follows from it.

No Spark; an estimate always names its assumption.
"""
