"""JMESPath with exact numbers, times and a few functions of our own (the only package that imports jmespath).

The grammar is that of jmespath.org. Only values that JSON does not have mean something different from the published
library: decimals and integers compare exactly, instants compare with instants, and a comparison of values that have
no order is null.
"""
