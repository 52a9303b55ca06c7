"""What `examine` can look at that a record cannot.

`forwards` and `backwards` follow the numbers operation by operation, there and back; `answers` gives the loss other
outputs and other targets; `modes` makes the pass again, in train and in eval mode; `terms` are what the loss is the
sum of.
"""
