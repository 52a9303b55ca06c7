"""What a notebook shows of the lab's objects as the last line of a cell.

`cards` has a function for each class, which its `_repr_html_` calls (by way of `faces`, so that nothing below imports
this wing); `markup` is HTML in the colours of the page around it.
"""
