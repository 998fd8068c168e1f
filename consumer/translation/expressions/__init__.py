"""JMESPath over normalised values: exact numbers, times, and a few functions of our own (jmespath's only door).

The grammar is jmespath.org's. What differs from the published library is the meaning of values that JSON does not have:
decimals and integers compare exactly, instants compare with instants, and comparing what cannot be compared is null.
"""
