"""Retention: what has done its duty on the node goes, and nothing else.

Two things decide about each holding (a day of the journal, a day of the lake, a day's partition in
PostgreSQL, a rotated log): the policy says from which day on it may go, and the facts say whether something
stands against it. Journal: the day is closed and verified, and has left the node where a backup target is
configured. Lake: it has left the node. PostgreSQL: the lake holds the same rows. A full disk changes neither:
it is reported, with what stays and why, and nothing goes unverified because of it.

    holdings       a holding, the policy, and the decision; pure
    verification   is a day's close true? reads every byte of the day's files
    departures     has it left the node?
    belongings     is it all the project's own?
    facts          looks at the node, the target and PostgreSQL
    applying       carries the decisions out, each of them safe to interrupt
"""
