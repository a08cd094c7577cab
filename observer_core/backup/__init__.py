"""Backup: copies of what cannot be collected again leave the node, and come back.

At the target, a folder of a second volume or a bucket:

    target.json                                  which target this is; without it nothing is written
    owner.json                                   the deployment that it belongs to; for others it is closed
    files/<path>/<sha256>                        a file; written once, its name tells what it must hold
    catalogue/YYYYMMDD-<writer>.jsonl            what has left, and when; a copy of the local ledger
    dumps/<database>/<time>.dump, <time>.json    dumps of PostgreSQL, with their account

`<path>` begins with `data`, `lake` or `universe`, whatever folders these are on the node. A file that is
replaced on the node (a day's file after a late segment) leaves once more, beside its older content, so that a
fault on the node never destroys what has left. Nothing but old dumps is ever removed from the target, and
nothing of it from the node.

    inventory   what lies on the node and must leave
    ownership   whose the target is, and who may do what there
    plan        which of it has not left, and what is overdue; pure
    shipping    brings it there and reads it back
    outcome     what the last runs have achieved, for the collector's metrics
    verifying   is everything still there, and whole?
    restoring   from the target alone to an empty node
    dumps       PostgreSQL
"""
