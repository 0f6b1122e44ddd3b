"""The language that users write, from a file to validated specs.

load/           text -> strict plain data, with the line and column of every key
matrix.py       one document -> its variants
spec.py         the models: which keys there are, their types and defaults; units.py for values such as `90s`
rules/          what types cannot say: names, arguments, combinations
names.py        the names of torch and scikit-learn that a spec may use
complaints.py   mistakes in the words of a spec; vocabulary.py the nearest known key
declared.py     all of it together: a file -> its specs, or every mistake in it
"""
