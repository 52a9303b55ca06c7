"""The rules of the verdict: on one run's course, on single layers and on depth."""
