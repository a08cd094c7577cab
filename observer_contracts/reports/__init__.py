"""What people and programs read: text, JSON, Markdown and HTML.

Invariant: a report shows results and invents nothing; what comes from evidence is escaped for the
format it stands in.
"""
