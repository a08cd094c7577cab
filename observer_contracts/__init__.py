"""The execution contracts: what a deployment must fulfil, and the evidence for it.

Invariant: an expectation is declared once (`declaration`, derived from the objects the programs run
on), a rule is a pure function from declaration and evidence to results (`rules`, listed in
`catalogue`), and only the readers in `evidence` touch files, processes or the network.
"""
