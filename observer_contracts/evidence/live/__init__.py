"""Evidence from the cluster's API.

Invariant: reading changes nothing in the cluster; the one thing that does, the persistence test, is asked for
by a flag of its own and has a module and a role of its own. The values of Secrets become lengths while they
are read, and nothing else of a Secret is kept but names. What the API refuses or does not answer is `Unseen`.
"""
