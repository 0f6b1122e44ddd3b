"""The training pipeline as named extension points: built from a spec, or taken from the team's own code."""
