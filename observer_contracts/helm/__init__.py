"""The values of the official Dagster charts: what Helm takes without a word and the charts never read.

`values.read_values` reads files as Helm layers them, `keys` compares them with the charts' own models,
`effects` finds what has no effect or the wrong one, `deployment` compares them with the deployment's
declaration.
"""
