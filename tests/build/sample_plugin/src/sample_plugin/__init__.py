"""A backbone, a head and an augmentation for transferkit, found through entry points.

Importing it imports no framework; transferkit imports each module when it is asked for by name.
"""
