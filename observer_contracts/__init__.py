"""The execution contracts: what a deployment must fulfil, and the evidence for it."""
