"""An examination of diagnoses: faults are planted in tables of several shapes, whole monitors run, and incidents are compared.

python -m benchmarks.plantings [--seeds 1 2] [--shapes flights credit ...] [--rules first init plain] [--dir DIR]

Every monitor has a handful of plantings far apart in time, at places drawn from the seed, and every shape has a control without
any. Told is, for each planting, whether exactly one incident opened in its windows and named kind, column, slice, onset and
factor. Mechanisms are tuned on seeds below 100 alone; seeds from 100 on are held out for the figures that are reported.
"""
